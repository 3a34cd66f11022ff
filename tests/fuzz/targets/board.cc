// SPDX-License-Identifier: Apache-2.0
//
// A board of caps as any process may have left it, and what `pqleash caps` shows of it.

#include <cstddef>
#include <cstdint>
#include <span>
#include <sstream>
#include <utility>
#include <variant>
#include <vector>

#include "reporter/caps/caps_report.h"
#include "reporter/render/caps_json.h"
#include "reporter/render/caps_text.h"
#include "reporter/snapshot/board_reader.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pqleash::fuzz;
  using namespace pqleash::reporter;
  // Seeds end where nothing but zeros follows: there are 60 KiB of policies, most not in use.
  constexpr size_t kWhole = 72 << 10;
  std::vector<uint8_t> bytes(data, data + size);
  if (size > 0 && size < kWhole) bytes.resize(kWhole);
  BoardResult result = ReadBoard(std::as_bytes(std::span(bytes)), "the.board");
  if (const auto* error = std::get_if<LedgerError>(&result)) {
    Check(error->sentence.find("the.board") != std::string::npos, "an error names the file");
    CheckText(error->sentence, false);
    return 0;
  }
  const auto& board = std::get<BoardSnapshot>(result);
  constexpr uint64_t kNow = 5'000'000'000'000;  // as the seeds have it
  const CapsReport report =
      BuildCapsReport({{"the.board", board}}, {{4'711, "shop", "the.ledger", board}}, kNow, {},
                      {1'763'702'000'000'000'000, "db-client-7"});
  const bool colour = ChoiceOf(data, size) % 2 == 0;
  std::ostringstream text;
  RenderCapsText(report, {colour, /*holders=*/true}, text);
  CheckText(text.str(), colour);
  std::ostringstream json;
  RenderCapsJson(report, json);
  CheckAscii(json.str());
  Check(Json::accept(json.str()), "the document is JSON");
  return 0;
}
