// SPDX-License-Identifier: Apache-2.0
//
// Writes ledgers for tests: whole ones, and, since every record can be reached, damaged ones.

#ifndef PQLEASH_TESTS_REPORTER_LEDGER_BUILDER_H_
#define PQLEASH_TESTS_REPORTER_LEDGER_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "shim/ledger/layout.h"

namespace pqleash::reporter {

inline constexpr uint64_t kTestSecond = 1'000'000'000;

// Records are added in vectors and laid out by Bytes(). A new builder holds a header of a living
// process, the reserved records 0, and nothing else.
class LedgerBuilder {
 public:
  LedgerBuilder();

  // Each returns the number or reference to use elsewhere.
  ledger::StringRef AddString(const std::string& text);
  uint32_t AddModule(const std::string& path, const std::string& build_id);
  uint32_t AddScriptFrame(ledger::Language language, const std::string& function,
                          const std::string& file, uint32_t line);
  uint32_t AddCallSite(uint64_t id, const std::vector<uint64_t>& stack);
  uint32_t AddTarget(const std::string& host, uint32_t port, const std::string& user,
                     const std::string& dbname, const std::string& application_name);
  // An established connection, opened `opened_s` after the process's start and last used at
  // `used_s`; counted.
  ledger::ConnectionSlot& AddConnection(uint32_t call_site, uint32_t target, double opened_s,
                                        double used_s, uint64_t commands);

  // One that process `opener_pid` opened at `call_site` and that this one first used at
  // `touched_site`, by libpq function `touched_by`; not counted.
  ledger::ConnectionSlot& AddInherited(uint32_t call_site, uint32_t target, int32_t opener_pid,
                                       uint32_t touched_site, const std::string& touched_by);

  // The ten seconds of which `at_s` after the process's start is a part, to be filled in.
  ledger::HistoryPeriod& AddPeriod(double at_s);

  // The file as the library would have written it.
  std::string Bytes() const;

  // Writes Bytes() to `path`.
  void WriteTo(const std::string& path) const;

  ledger::Header header = {};
  std::vector<ledger::ConnectionSlot> connections;
  std::vector<ledger::CallSite> call_sites;
  std::vector<uint64_t> frames;
  std::vector<ledger::ScriptFrame> script_frames;
  std::vector<ledger::Module> modules;
  std::vector<ledger::Target> targets;
  std::string strings;
  std::vector<ledger::HistoryPeriod> history;
  std::string board;   // the process's own
  uint32_t spare = 3;  // records of capacity beyond the used ones, in each section
};

// A frame in a module, as ledgers encode it.
uint64_t ModuleFrame(uint32_t module, uint64_t offset);
uint64_t ScriptFrameAt(uint32_t script_frame);

// CLOCK_MONOTONIC at which the processes of LedgerBuilder were created.
inline constexpr uint64_t kTestStart = 1'000 * kTestSecond;

// A service with a pool, a leak, a failed connect and a script, to be looked at in every state.
LedgerBuilder ExampleLedger();

// The example's forked child: it works on two connections of the example, and finishes one.
LedgerBuilder ExampleChildLedger();

void WriteFile(const std::string& path, const std::string& bytes);
std::string ReadWholeFile(const std::string& path);

}  // namespace pqleash::reporter

#endif  // PQLEASH_TESTS_REPORTER_LEDGER_BUILDER_H_
