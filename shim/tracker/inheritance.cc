// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/inheritance.h"

#include <cstdio>
#include <cstring>
#include <string_view>

#include "shim/libpq/copies.h"
#include "shim/stack/loader_state.h"
#include "shim/support/clock.h"

namespace pqleash::tracker {

namespace {

// The call site of the opener, in this process's own ledger. Code lies where it lay before the
// fork.
uint32_t AdoptCallSite(const Process& opener, Process& process, uint32_t number) {
  const auto& site = opener.ledger.At<ledger::CallSite>(ledger::kCallSites, number);
  stack::Stack stack;
  stack.count = 0;
  stack.script_count = 0;
  stack.interpreter = nullptr;
  stack.flags = site.flags;
  for (uint32_t i = 0; i < site.frame_count; ++i) {
    const auto frame = opener.ledger.At<uint64_t>(ledger::kFrames, site.first_frame + i);
    const uint64_t kind = ledger::FrameKind(frame);
    uint64_t address = ledger::FrameValue(frame);
    if (kind == ledger::kFrameScript) {
      const ledger::ScriptFrame& script = opener.script_frames.At(static_cast<uint32_t>(address));
      if (stack.script_count == stack::kMaxDepth) continue;
      stack.script_frames[stack.script_count++] =
          process.script_frames.Intern(static_cast<ledger::Language>(script.language),
                                       opener.script_frames.Text(script.function),
                                       opener.script_frames.Text(script.file), script.line);
      continue;
    }
    if (kind != ledger::kFrameNoModule) {
      address +=
          opener.ledger.At<ledger::Module>(ledger::kModules, static_cast<uint32_t>(kind - 1)).bias;
    }
    const auto* code = reinterpret_cast<const void*>(address);  // NOLINT: an address, not an object
    // The first native frame behind those of the program is the interpreter's.
    if (stack.script_count > 0 && stack.interpreter == nullptr) stack.interpreter = code;
    if (stack.count < stack::kMaxDepth) stack.addresses[stack.count++] = code;
  }
  return process.call_sites.Book(stack, ReadLoaderState());
}

uint32_t AdoptTarget(const Process& opener, Process& process, uint32_t number) {
  if (number == 0) return 0;
  const auto& target = opener.ledger.At<ledger::Target>(ledger::kTargets, number);
  char port[16];
  snprintf(port, sizeof(port), "%u", target.port);
  // Interned strings have a NUL behind them.
  const auto text = [&](ledger::StringRef reference) {
    return reference != 0 ? opener.strings.Get(reference).data() : nullptr;
  };
  return process.targets.Intern({text(target.host), port, text(target.dbname), text(target.user),
                                 text(target.application_name)});
}

}  // namespace

uint32_t FindInherited(const PGconn* conn) {
  const Process* opener = Process::Inherited();
  return opener != nullptr ? opener->connections.Find(conn) : kNoSlot;
}

const libpq::Copy* InheritedCopy(uint32_t slot) {
  return libpq::Serving(Process::Inherited()->connections.At(slot).libpq);
}

uint32_t Inherit(Process& process, uint32_t inherited, const PGconn* conn, const Touch& touch) {
  Process* opener = Process::Inherited();
  if (opener == nullptr) return kNoSlot;
  ledger::ConnectionSlot description =
      opener->ledger.At<ledger::ConnectionSlot>(ledger::kConnections, inherited);
  const Connection& connection = opener->connections.At(inherited);
  const bool passed_on = connection.state == ledger::kInherited;  // from a grandparent
  description.handle = reinterpret_cast<uintptr_t>(conn);
  description.call_site = AdoptCallSite(*opener, process, connection.call_site);
  description.target = AdoptTarget(*opener, process, description.target);
  description.tid = touch.tid;
  memcpy(description.thread_name, touch.thread_name, sizeof(description.thread_name));
  description.last_activity_ns = Now();
  description.commands = 0;
  description.in_call = 0;
  description.used_site = touch.call_site;
  description.touched_by = touch.function;
  description.opener_pid = passed_on ? description.opener_pid : opener->ledger.header().pid;
  description.inherited = 0;
  const uint32_t number = connection.libpq;
  process.BookLibpq(number, ledger::kWayBound);
  // Our private copy of the opener's table: from now on the connection is in ours.
  opener->connections.Remove(conn);
  return process.lifecycle.Inherit(conn, description, static_cast<uint16_t>(number));
}

}  // namespace pqleash::tracker
