// SPDX-License-Identifier: Apache-2.0
//
// `pqleash attach` and `detach`: the order of the steps, and what is undone when one fails. Nothing
// here stops a thread longer than one step takes, and between the steps the process runs.

#ifndef PQLEASH_REPORTER_ATTACH_ATTACHER_H_
#define PQLEASH_REPORTER_ATTACH_ATTACHER_H_

#include <cstdint>
#include <string>
#include <vector>

namespace pqleash::reporter {

struct AttachRequest {
  int32_t pid = 0;
  bool force = false;
  std::string library;                 // absolute path of libpqleash.so, as this tool sees it
  std::vector<std::string> variables;  // NAME=VALUE for the library's configuration
};

struct AttachOutcome {
  std::string error;  // one sentence; empty: it is done
  std::string program;
  size_t words = 0;    // that were changed
  size_t foreign = 0;  // that hold functions of somebody else, and were left alone
  size_t copies = 0;   // of libpq
  size_t adopted = 0;  // connections that were open before
  // How long each stop took, in microseconds: of the one thread that was made to call functions,
  // and of all threads.
  std::vector<uint64_t> thread_stops_us;
  std::vector<uint64_t> process_stops_us;
};

AttachOutcome Attach(const AttachRequest& request);
AttachOutcome Detach(int32_t pid, bool force);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_ATTACHER_H_
