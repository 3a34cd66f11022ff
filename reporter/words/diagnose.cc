// SPDX-License-Identifier: Apache-2.0

#include "reporter/words/diagnose.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "reporter/words/escape.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {

void Diagnose(std::string_view sentence) { std::cerr << "pqleash: " + Escape(sentence) + '\n'; }

void DiagnoseIncomplete(const std::vector<std::string>& sentences) {
  for (const std::string& sentence : sentences) Diagnose("incomplete: " + sentence);
}

int FinishOutput() {
  errno = 0;
  std::cout.flush();
  if (std::cout) return kFine;
  Diagnose(std::string("the result could not be written to stdout") +
           (errno == 0 ? "" : std::string(": ") + std::strerror(errno)));
  return kFailed;
}

bool WantsColour(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return isatty(fd) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
         (term == nullptr || std::strcmp(term, "dumb") != 0);
}

}  // namespace pqleash::reporter
