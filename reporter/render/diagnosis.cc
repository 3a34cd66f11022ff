// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/diagnosis.h"

#include <fmt/format.h>

#include <sstream>
#include <string>
#include <string_view>

#include "reporter/render/json_values.h"
#include "reporter/render/layout.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

std::string_view NameOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      break;
  }
  return "fail";
}

// Colours the first word of what was written, which is as wide as the others.
std::string Coloured(const std::string& lines, Verdict verdict, const Style& style) {
  const std::string_view name = NameOf(verdict);
  const std::string rest = lines.substr(name.size());
  if (verdict == Verdict::kFail) return style.Alarm(name) + rest;
  return (verdict == Verdict::kWarn ? style.Warning(name) : style.Dim(name)) + rest;
}

}  // namespace

void RenderDiagnosisText(const Diagnosis& diagnosis, bool colour, std::ostream& out) {
  const Style style(colour);
  for (const Check& check : diagnosis.checks) {
    std::ostringstream lines;
    WriteWrapped(fmt::format("{:<6}", NameOf(check.verdict)),
                 Escape(fmt::format("{}: {}", check.what, check.detail)), lines);
    out << Coloured(lines.str(), check.verdict, style);
    if (check.verdict != Verdict::kOk) {
      WriteWrapped("      what to do: ", Escape(check.advice), out);
    }
  }
}

void RenderDiagnosisJson(const Diagnosis& diagnosis, std::ostream& out) {
  Json checks = Json::array();
  for (const Check& check : diagnosis.checks) {
    checks.push_back({{"verdict", NameOf(check.verdict)},
                      {"what", check.what},
                      {"detail", check.detail},
                      {"advice", TextOrNull(check.advice)}});
  }
  const Json json = {{"schema", "pqleash.doctor/1"},
                     {"generated_at", Timestamp(diagnosis.generated_realtime_ns)},
                     {"host", diagnosis.host},
                     {"passed", diagnosis.Passed()},
                     {"checks", std::move(checks)}};
  WriteJson(json, out);
}

}  // namespace pqleash::reporter
