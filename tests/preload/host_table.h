// SPDX-License-Identifier: Apache-2.0
//
// The table of hosts: programs that do what preloaded libraries have hurt. Each is run bare and in
// every way of being preloaded, and must be the same in all. HOSTS.md says what each is for.

#ifndef PQLEASH_TESTS_PRELOAD_HOST_TABLE_H_
#define PQLEASH_TESTS_PRELOAD_HOST_TABLE_H_

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "tests/preload/hazards.h"

namespace pqleash::testing {

struct Host {
  std::string program;  // with its mode, the words of HOSTS.md: "limits nofile"
  // Connections that the ledgers of an observed run hold. kNoLedger: there is none; kAny: it
  // depends.
  int opened = kNoLedger;
  std::map<std::string, std::string> environment = {};  // '@' at the begin: the run's own directory
  bool root = false;                                    // only root can do it
  // The command; by default the words of `program`. A word "@" is the directory of the programs.
  std::vector<std::string> command = {};
  // Other libraries of LD_PRELOAD, in the bare run as well. Ours stands between them. A host is
  // skipped where one is not installed.
  std::vector<std::string> before = {};
  std::vector<std::string> after = {};
  // A program that the host runs, by its whole path; skipped where it is not installed.
  std::string needs = {};
};

std::ostream& operator<<(std::ostream& stream, const Host& host);

// All, those of hazards.h that need no setting of ours among them: each with the stand-in.
const std::vector<Host>& Hosts();
// Those of them that are tried with PostgreSQL as well.
std::vector<Host> ServedHosts();
// Those of them that are programs of tests/preload/hosts, which print their modes for --modes.
std::vector<std::string> HostPrograms();

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_PRELOAD_HOST_TABLE_H_
