// SPDX-License-Identifier: Apache-2.0
//
// A ledger as any process may have written it: reading, grouping, findings and every format.

#include <fcntl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/render/folded.h"
#include "reporter/render/html.h"
#include "reporter/render/json.h"
#include "reporter/render/markdown.h"
#include "reporter/render/pprof.h"
#include "reporter/render/speedscope.h"
#include "reporter/render/text.h"
#include "reporter/report/report_builder.h"
#include "reporter/report/saved_report.h"
#include "reporter/snapshot/board_files.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/ledger_reader.h"
#include "shim/ledger/layout.h"
#include "tests/fuzz/check.h"

namespace pqleash::fuzz {
namespace {

using namespace reporter;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kNow = 3'000 * kSecond;  // as the seeds have it

std::string Html(const Report& report) {
  std::ostringstream out;
  RenderReportHtml(report, out);
  return out.str();
}

size_t CountOf(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

void ShowPage(const Report& report) {
  static const std::string empty = Html({});
  const std::string page = Html(report);
  Check(CountOf(page, "</script") == CountOf(empty, "</script"), "data ends no element");
  Check(CountOf(page, "<!--") == CountOf(empty, "<!--"), "data begins no comment");
}

void ShowExport(const Report& report, uint32_t choice) {
  std::ostringstream out;
  switch (choice % 5) {
    case 0:
      return ShowPage(report);
    case 1:
      RenderFolded(report, {true}, out);
      return CheckText(out.str(), false);
    case 2:
      RenderMarkdown(report, {true}, out);
      return CheckText(out.str(), false);
    case 3:
      RenderSpeedscope(report, {false}, out);
      return Check(Json::accept(out.str()), "the profile is JSON");
    default:
      return RenderPprof(report, out);
  }
}

void ShowText(const Report& report, const std::vector<Snapshot>& snapshots, uint32_t choice) {
  const bool colour = choice % 2 == 0;
  std::ostringstream text;
  RenderReportText(report, {colour, /*native_frames=*/choice % 4 < 2}, text);
  CheckText(text.str(), colour);
  std::ostringstream list;
  RenderProcessListText(BuildProcessList(snapshots, {}, {kNow, "db-client-7"}), false, list);
  CheckText(list.str(), false);
}

void ShowJson(const Report& report) {
  std::ostringstream json;
  RenderReportJson(report, json);
  CheckAscii(json.str());
  const SavedReportResult saved = ParseSavedReport(json.str(), "saved.json");
  if (const auto* problem = std::get_if<std::string>(&saved)) {
    Check(json.str().size() > kMaxSavedBytes, "what was written can be read back", *problem);
  }
}

void Show(std::vector<Snapshot> snapshots, uint32_t choice) {
  // A search in the ledgers of real files would say nothing of the reader, and takes long.
  for (Module& module : snapshots[0].modules) module.path.insert(0, "/nonexistent");
  Symboliser symboliser;
  std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  (void)SymboliseCallSites(snapshots, &symboliser, &groups);
  const Report report =
      BuildReport(snapshots, groups, {}, {}, {1'763'702'000 * kSecond, "db-client-7"});

  // One format each time: these take longer than all before them.
  switch (choice / 3 % 4) {
    case 0:
    case 1:
      return ShowText(report, snapshots, choice / 12);
    case 2:
      return ShowJson(report);
    default:
      return ShowExport(report, choice / 12);
  }
}

}  // namespace
}  // namespace pqleash::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pqleash::fuzz;
  static InputFile file;
  file.Write(data, size);
  LedgerResult result = ReadLedger(AT_FDCWD, file.path(), "/run/the.ledger");
  (void)ReadLedgerBoard(file.path());
  if (const auto* error = std::get_if<LedgerError>(&result)) {
    Check(error->sentence.find("/run/the.ledger") != std::string::npos, "an error names the file");
    CheckText(error->sentence, false);
    return 0;
  }
  const uint32_t choice = ChoiceOf(data, size);
  std::vector<Snapshot> snapshots;
  snapshots.push_back(std::get<Snapshot>(std::move(result)));
  constexpr Life kLives[] = {Life::kLive, Life::kEnded, Life::kUnknown};
  SetLife(kLives[choice % 3], snapshots[0].process.pid, kNow, &snapshots[0]);
  Show(std::move(snapshots), choice);
  return 0;
}

#ifdef PQLEASH_LIBFUZZER
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace pqleash::fuzz {
namespace {

// Of the 4 KiB of a header most are reserved, and of what a changed byte in its first words makes
// the reader refuses nearly all. So words are changed rather than bytes, half of them in the
// sections.
void ChangeWord(uint8_t* data, size_t size, std::minstd_rand* random) {
  const size_t words = size / 4;
  const size_t header = ledger::kHeaderSize / 4;
  constexpr size_t kUsedOfHeader = 1'024 / 4;
  const size_t word = (*random)() % 2 == 0 && words > header
                          ? header + (*random)() % (words - header)
                          : (*random)() % std::min(words, kUsedOfHeader);
  const auto load = [&](size_t index) {
    uint32_t value = 0;
    std::memcpy(&value, data + 4 * index, sizeof value);
    return value;
  };
  constexpr uint32_t kEdges[] = {0,          1,          2,          3,          0x7f,
                                 0xff,       0xffff,     0x7fffffff, 0x80000000, 0xfffffffc,
                                 0xfffffffe, 0xffffffff, 0x3b9aca00, 0x40000000};
  uint32_t value = load(word);
  switch ((*random)() % 4) {
    case 0:
      value = kEdges[(*random)() % std::size(kEdges)];
      break;
    case 1:
      value = load((*random)() % words);
      break;
    case 2:
      value += static_cast<uint32_t>((*random)() % 17) - 8;
      break;
    default:
      value ^= uint32_t{1} << (*random)() % 32;
  }
  std::memcpy(data + 4 * word, &value, sizeof value);
}

}  // namespace
}  // namespace pqleash::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  std::minstd_rand random(seed);
  if (size < pqleash::ledger::kHeaderSize || random() % 8 == 0) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  for (size_t changes = 1 + random() % 4; changes > 0; --changes) {
    pqleash::fuzz::ChangeWord(data, size, &random);
  }
  return size;
}
#endif
