// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/own_report.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "shim/support/json_text.h"
#include "shim/tracker/frame_description.h"

namespace pqleash::tracker {

namespace {

using ledger::ConnectionSlot;

const ConnectionSlot& SlotAt(const Process& process, uint32_t slot) {
  return process.ledger.At<ConnectionSlot>(ledger::kConnections, slot);
}

bool IsOwn(const ConnectionSlot& slot) {
  return slot.state != ledger::kSlotFree && slot.state != ledger::kInherited &&
         slot.state != ledger::kLeftOpen && slot.handle != 0;
}

template <typename Visit>
void ForEachOwn(const Process& process, Visit visit) {
  const uint32_t slots = ledger::Load(process.ledger.header().connections_high_water);
  for (uint32_t i = 0; i < slots; ++i) {
    ConnectionSlot slot = {};
    if (ledger::ReadWhole(SlotAt(process, i), &slot) && IsOwn(slot)) visit(slot);
  }
}

const char* NameOf(uint32_t state) {
  static constexpr const char* kNames[] = {"free",      "connecting", "established",
                                           "failed",    "refused",    "broken",
                                           "resetting", "inherited",  "waiting"};
  return state < std::size(kNames) ? kNames[state] : "unknown";
}

const char* NameOfLanguage(uint32_t language) {
  static constexpr const char* kNames[] = {"native", "python", "ruby", "php", "perl"};
  return language < std::size(kNames) ? kNames[language] : "unknown";
}

const char* NameOfTransaction(uint32_t transaction) {
  static constexpr const char* kNames[] = {"idle", "active", "in_transaction",
                                           "in_failed_transaction"};
  return transaction < std::size(kNames) ? kNames[transaction] : "unknown";
}

struct Digits {
  char text[32];
};

Digits HandleName(uint64_t handle) {
  Digits digits;
  snprintf(digits.text, sizeof(digits.text), "0x%" PRIx64, handle);
  return digits;
}

Digits CallSiteName(uint64_t id) {
  Digits digits;
  snprintf(digits.text, sizeof(digits.text), "%016" PRIx64, id);
  return digits;
}

void WriteFrames(const Process& process, const ledger::CallSite& site, JsonText& json) {
  json.BeginArray("frames");
  for (uint32_t i = 0; i < site.frame_count; ++i) {
    const FrameDescription frame =
        DescribeFrame(process, process.ledger.At<uint64_t>(ledger::kFrames, site.first_frame + i));
    const auto known = [&](const char* key, std::string_view text) {
      if (text.empty()) {
        json.Null(key);
      } else {
        json.String(key, text);
      }
    };
    json.BeginObject();
    known("function", frame.function);
    known("file", frame.file);
    if (frame.line != 0) {
      json.Number("line", frame.line);
    } else {
      json.Null("line");
    }
    known("module", frame.module);
    json.Number("offset", frame.offset);
    json.String("language", NameOfLanguage(frame.language));
    json.EndObject();
  }
  json.EndArray();
}

void WriteConnection(const Process& process, const ConnectionSlot& slot, uint64_t now,
                     JsonText& json) {
  const auto& target = process.ledger.At<ledger::Target>(ledger::kTargets, slot.target);
  const auto since = [&](uint64_t moment) { return now > moment ? now - moment : 0; };
  json.BeginObject();
  json.String("conn", HandleName(slot.handle).text);
  json.Signed("tid", slot.tid);
  json.String("thread_name",
              {slot.thread_name, strnlen(slot.thread_name, sizeof slot.thread_name)});
  json.String("host", process.strings.Get(target.host));
  if (target.port != 0) {
    json.Number("port", target.port);
  } else {
    json.Null("port");
  }
  json.String("dbname", process.strings.Get(target.dbname));
  json.String("user", process.strings.Get(target.user));
  json.String("application_name", process.strings.Get(target.application_name));
  if (slot.backend_pid != 0) {
    json.Signed("backend_pid", slot.backend_pid);
  } else {
    json.Null("backend_pid");
  }
  json.String("state", NameOf(slot.state));
  json.String("transaction", NameOfTransaction(slot.transaction));
  json.Seconds("age_s", since(slot.opened_ns));
  json.Seconds("idle_s",
               since(std::max({slot.last_activity_ns, slot.established_ns, slot.opened_ns})));
  json.Number("queries", slot.commands);
  json.EndObject();
}

void WriteCallSite(const Process& process, uint32_t number, uint64_t now, JsonText& json) {
  const auto& site = process.ledger.At<ledger::CallSite>(ledger::kCallSites, number);
  json.BeginObject();
  json.String("id", CallSiteName(ledger::LoadAcquire(site.id)).text);
  json.Number("open", ledger::Load(site.open));
  json.Number("opened_total", ledger::Load(site.opened));
  json.Number("closed_total", ledger::Load(site.closed));
  json.Number("failed_total", ledger::Load(site.failed));
  json.Number("peak", ledger::Load(site.peak));
  WriteFrames(process, site, json);
  json.BeginArray("connections");
  ForEachOwn(process, [&](const ConnectionSlot& slot) {
    if (slot.call_site == number) WriteConnection(process, slot, now, json);
  });
  json.EndArray();
  json.EndObject();
}

}  // namespace

size_t OpenedSince(const Process& process, uint64_t since_ns, const PGconn** connections,
                   size_t capacity) noexcept {
  size_t count = 0;
  ForEachOwn(process, [&](const ConnectionSlot& slot) {
    if (slot.opened_ns < since_ns) return;
    if (count < capacity)
      connections[count] =
          reinterpret_cast<const PGconn*>(slot.handle);  // NOLINT: as it was stored
    ++count;
  });
  return count;
}

void WriteStack(const Process& process, const PGconn* connection, BoundedText* text) noexcept {
  const uint32_t slot = process.connections.Find(connection);
  if (slot == kNoSlot) return;
  // Another thread may finish it now, and its slot be another's.
  ConnectionSlot record = {};
  if (!ledger::ReadWhole(SlotAt(process, slot), &record) ||
      record.handle != reinterpret_cast<uintptr_t>(connection)) {
    return;
  }
  const auto& site = process.ledger.At<ledger::CallSite>(ledger::kCallSites, record.call_site);
  if (site.frame_count == 0) text->Append("a stack that was not recorded\n");
  for (uint32_t i = 0; i < site.frame_count; ++i) {
    text->Print("#%u ", i);
    PrintFrame(
        DescribeFrame(process, process.ledger.At<uint64_t>(ledger::kFrames, site.first_frame + i)),
        text);
    text->Append("\n");
  }
}

void WriteOwnReport(const Process& process, uint64_t now, BoundedText* text) noexcept {
  const ledger::Header& header = process.ledger.header();
  JsonText json(text);
  json.BeginObject();
  json.String("schema", "pqleash.process/1");
  json.String("library_version", header.library_version);
  json.Signed("pid", header.pid);
  json.String("service", header.service);
  json.Number("open", ledger::Load(header.open));
  json.Number("peak", ledger::Load(header.peak));
  json.Number("opened_total", ledger::Load(header.opened));
  json.Number("closed_total", ledger::Load(header.closed));
  json.Number("failed_total", ledger::Load(header.failed));
  json.Number("unrecorded", ledger::Load(header.unrecorded_connections));
  json.Number("in_use", ledger::Load(header.in_use));
  json.Number("in_use_peak", ledger::Load(header.in_use_peak));
  json.BeginArray("call_sites");
  const uint32_t sites = ledger::Load(header.call_sites_used);
  for (uint32_t i = 0; i < sites; ++i) {
    const auto& site = process.ledger.At<ledger::CallSite>(ledger::kCallSites, i);
    // Number 0 is for what could not be attributed: mostly nothing. Others may be places of uses.
    const bool has_connected = ledger::Load(site.first_ns) != 0;
    if ((ledger::LoadAcquire(site.id) != 0 && has_connected) ||
        ledger::Load(site.opened) + ledger::Load(site.failed) != 0)
      WriteCallSite(process, i, now, json);
  }
  json.EndArray();
  json.EndObject();
}

}  // namespace pqleash::tracker
