// SPDX-License-Identifier: Apache-2.0
//
// Writes an example to stdout: `write_example example|hostile html|json`. For the browser's test.

#include <iostream>
#include <string>

#include "reporter/render/html.h"
#include "reporter/render/json.h"
#include "tests/exports/example_report.h"

int main(int argc, char** argv) {
  using namespace pqleash::reporter;
  if (argc != 3) return 2;
  const Report report = argv[1] == std::string("hostile") ? HostileReport() : ExampleReport();
  if (argv[2] == std::string("html")) {
    RenderReportHtml(report, std::cout);
  } else {
    RenderReportJson(report, std::cout);
  }
  std::cout.flush();
  return std::cout ? 0 : 1;
}
