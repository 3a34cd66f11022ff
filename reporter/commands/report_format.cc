// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/report_format.h"

#include <unistd.h>

#include <iostream>
#include <sstream>

#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/commands/output_file.h"
#include "reporter/render/folded.h"
#include "reporter/render/html.h"
#include "reporter/render/json.h"
#include "reporter/render/markdown.h"
#include "reporter/render/pprof.h"
#include "reporter/render/speedscope.h"
#include "reporter/render/text.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

void Render(const Report& report, const ReportOutput& output, bool colour, std::ostream& out) {
  const ExportOptions exported = {output.native_frames};
  switch (output.format) {
    case Format::kText:
      return RenderReportText(report, {colour, output.native_frames}, out);
    case Format::kJson:
      return RenderReportJson(report, out);
    case Format::kHtml:
      return RenderReportHtml(report, out);
    case Format::kFolded:
      return RenderFolded(report, exported, out);
    case Format::kPprof:
      return RenderPprof(report, out);
    case Format::kSpeedscope:
      return RenderSpeedscope(report, exported, out);
    case Format::kMarkdown:
      return RenderMarkdown(report, exported, out);
    case Format::kPrometheus:
      break;
  }
}

}  // namespace

void AddReportOutputOptions(CommandLine* line, ReportOutput* output) {
  line->AddFlag("--native", &output->native_frames,
                "Show the interpreter's own frames in stacks of scripts, too (text, folded, "
                "speedscope, markdown)");
  AddFormatOption(line, &output->format,
                  {Format::kText, Format::kJson, Format::kHtml, Format::kFolded, Format::kPprof,
                   Format::kSpeedscope, Format::kMarkdown, Format::kPrometheus});
  const auto take = [output](const std::string& text) -> Complaint {
    if (text.empty()) return "expected the name of a file";
    output->file = text == "-" ? "" : text;
    return {};
  };
  line->AddTaken("--output", "FILE", take,
                 "Write the result to this file, which is replaced once it is whole ('-': stdout)");
}

bool MayWrite(const ReportOutput& output) {
  if (output.format != Format::kPprof || !output.file.empty() || isatty(STDOUT_FILENO) == 0) {
    return true;
  }
  Diagnose(
      "report: a profile for pprof is binary, and stdout is a terminal: name a file with --output "
      "FILE, or redirect stdout");
  return false;
}

int WriteReport(const Report& report, const ReportOutput& output) {
  if (output.file.empty()) {
    Render(report, output, WantsColour(STDOUT_FILENO), std::cout);
    return FinishOutput();
  }
  std::ostringstream bytes;
  Render(report, output, /*colour=*/false, bytes);
  return WriteText(bytes.view(), output);
}

int WriteText(std::string_view text, const ReportOutput& output) {
  if (output.file.empty()) {
    std::cout << text;
    return FinishOutput();
  }
  std::string problem;
  if (ReplaceFile(output.file, text, &problem)) return kFine;
  Diagnose(problem);
  return kFailed;
}

}  // namespace pqleash::reporter
