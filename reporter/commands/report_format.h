// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_REPORT_FORMAT_H_
#define PQLEASH_REPORTER_COMMANDS_REPORT_FORMAT_H_

#include <string>
#include <string_view>

#include "reporter/commands/command_line.h"
#include "reporter/commands/format.h"
#include "reporter/report/report.h"

namespace pqleash::reporter {

struct ReportOutput {
  Format format = Format::kText;
  bool native_frames = false;
  std::string file;  // empty: stdout
};

// Adds --format, --output and --native.
void AddReportOutputOptions(CommandLine* line, ReportOutput* output);

// Whether the result may go where it is to go; otherwise says why not.
bool MayWrite(const ReportOutput& output);

// Writes the report, in any format but kPrometheus, which is of metrics and goes by WriteText.
// The exit code; what went wrong was said.
int WriteReport(const Report& report, const ReportOutput& output);

// Writes a result that is text already.
int WriteText(std::string_view text, const ReportOutput& output);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_REPORT_FORMAT_H_
