// SPDX-License-Identifier: Apache-2.0

#include "tests/preload/host_table.h"

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <sstream>

namespace pqleash::testing {

namespace {

using HostList = std::vector<Host>;

// Modes of one program that differ in nothing but their name.
void AddModes(HostList* hosts, const std::string& program, int opened, const std::string& modes) {
  std::istringstream stream(modes);
  for (std::string mode; stream >> mode;) hosts->push_back({program + " " + mode, opened});
}

void AddLimits(HostList* hosts) {
  AddModes(hosts, "limits", 2,
           "stack_unlimited nproc memlock core sigpending rtprio nice msgqueue");
  // Whether there is room for a ledger depends on what was allocated before.
  AddModes(hosts, "limits", kAny, "as as_none data stack");
  AddModes(hosts, "limits", kNoLedger, "fsize nofile nofile_none");
}

void AddSignals(HostList* hosts) {
  AddModes(
      hosts, "signal_state", 1,
      "dispositions mask all_blocked alternate_stack no_faults crash_handler signalfd real_time");
  AddModes(hosts, "signal_state", kAny, "alternate_stack_small");
  AddModes(hosts, "signal_state", 2, "in_handler");
  AddModes(hosts, "signal_state", 3000, "storm_of_time storm_of_profiler");
  AddModes(hosts, "signal_state", kAny, "jumps_out");
}

// The programs of hazards.h, which say more about the ledgers there.
void AddHazards(HostList* hosts) {
  for (const Hazard& hazard : StandinHazards()) {
    if (!hazard.environment.empty() || !hazard.err_to.empty()) continue;
    Host host;
    for (const std::string& word : hazard.command) {
      host.program +=
          (host.program.empty() ? "" : " ") + std::filesystem::path(word).filename().string();
    }
    host.command = hazard.command;
    host.opened = hazard.expected.opened;
    host.root = hazard.root;
    hosts->push_back(host);
  }
}

HostList All() {
  HostList hosts;
  AddLimits(&hosts);
  AddSignals(&hosts);
  AddHazards(&hosts);
  return hosts;
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const Host& host) { return stream << host.program; }

const std::vector<Host>& Hosts() {
  static const HostList kHosts = All();
  return kHosts;
}

std::vector<std::string> HostPrograms() { return {PQLEASH_TEST_HOST_PROGRAMS}; }

}  // namespace pqleash::testing
