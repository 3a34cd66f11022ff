// SPDX-License-Identifier: Apache-2.0

#include <exception>

#include "reporter/commands/command.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

int main(int argc, char** argv) {
  try {
    return pqleash::reporter::RunTool({argv + (argc > 0 ? 1 : 0), argv + argc});
  } catch (const std::exception& error) {
    pqleash::reporter::Diagnose(error.what());
    return pqleash::reporter::kFailed;
  }
}
