// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/survey.h"

#include <cinttypes>
#include <cstdio>
#include <string_view>

#include "shim/tracker/process.h"

namespace pqleash::tracker {

namespace {

std::string_view FileName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// Where a script frame says nothing about the program: its libraries'.
bool OfLibrary(std::string_view path) {
  static constexpr std::string_view kMarks[] = {"/site-packages/", "/dist-packages/", "/gems/",
                                                "/usr/lib/",       "/usr/share/",     "/vendor/"};
  for (const std::string_view mark : kMarks) {
    if (path.find(mark) != std::string_view::npos) return true;
  }
  return false;
}

int Length(std::string_view text) { return static_cast<int>(text.size()); }

}  // namespace

// The innermost frame of the program: of its scripts, else of its executable, else any. Native code
// by module and offset: to ask the dynamic linker for more would take its lock, and `pqleash` knows
// better.
void Survey::Describe(uint64_t call_site, char (&text)[caps::kMaxLabel + 1]) {
  const ledger::Ledger& ledger = process_->ledger;
  const ledger::CallSite* site = nullptr;
  for (uint32_t i = 1; i < ledger::Load(ledger.header().call_sites_used); ++i) {
    const auto& candidate = ledger.At<ledger::CallSite>(ledger::kCallSites, i);
    if (ledger::LoadAcquire(candidate.id) == call_site) site = &candidate;
  }
  snprintf(text, sizeof(text), "code that is not known");
  if (site == nullptr) return;
  const std::string_view executable = process_->strings.Get(ledger.header().exe);
  constexpr int kNothing = 0, kNative = 1, kProgram = 2, kLibraryScript = 3, kScript = 4;
  int found = kNothing;
  for (uint32_t i = 0; i < site->frame_count && found < kScript; ++i) {
    const auto frame = ledger.At<uint64_t>(ledger::kFrames, site->first_frame + i);
    const uint64_t kind = ledger::FrameKind(frame);
    const uint64_t value = ledger::FrameValue(frame);
    if (kind == ledger::kFrameScript) {
      const ledger::ScriptFrame& script = process_->script_frames.At(static_cast<uint32_t>(value));
      const std::string_view file = process_->script_frames.Text(script.file);
      const std::string_view function = process_->script_frames.Text(script.function);
      const int worth = OfLibrary(file) ? kLibraryScript : kScript;
      if (worth <= found) continue;
      found = worth;
      const std::string_view name = FileName(file);
      snprintf(text, sizeof(text), "%.*s line %u in %.*s", Length(name), name.data(), script.line,
               Length(function), function.data());
      continue;
    }
    if (kind == ledger::kFrameNoModule || found >= kProgram) continue;
    ledger::Module module = {};
    if (!ledger::ReadWhole(
            ledger.At<ledger::Module>(ledger::kModules, static_cast<uint32_t>(kind - 1)),
            &module)) {
      continue;
    }
    const std::string_view path = process_->strings.Get(module.path);
    const int worth = path == executable ? kProgram : kNative;
    if (worth <= found) continue;
    found = worth;
    const std::string_view name = FileName(path);
    snprintf(text, sizeof(text), "%.*s+0x%" PRIx64, Length(name), name.data(), value);
  }
  for (char& c : text) {
    if (c != '\0' && (static_cast<unsigned char>(c) < ' ' || c == 0x7f || c == ':')) c = '?';
  }
}

bool Survey::Held(uint32_t slot, caps::Endpoint* endpoint, uint64_t* call_site, uint64_t* since) {
  const Connection& connection = process_->connections.At(slot);
  // One that is being reset has its places, or is asking for them at this moment.
  if (connection.state != ledger::kEstablished) return false;
  const auto& record = process_->ledger.At<ledger::ConnectionSlot>(ledger::kConnections, slot);
  const auto& target = process_->ledger.At<ledger::Target>(ledger::kTargets, record.target);
  snprintf(port_, sizeof(port_), "%u", target.port);
  // Interned strings have a NUL behind them.
  const auto text = [&](ledger::StringRef reference) {
    return reference != 0 ? process_->strings.Get(reference).data() : "";
  };
  *endpoint = {text(target.host), port_, text(target.dbname), text(target.user),
               text(target.application_name)};
  *since = ledger::Load(record.established_ns);
  *call_site = process_->CallSiteId(slot);
  return true;
}

uint32_t Survey::Slots() { return ledger::Load(process_->ledger.header().connections_high_water); }

bool Survey::ReadAgain(caps::Configured* configured) { return ReadPoliciesAgain(configured); }

}  // namespace pqleash::tracker
