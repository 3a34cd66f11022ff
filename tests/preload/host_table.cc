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

void AddMemory(HostList* hosts) {
  AddModes(hosts, "memory", 1,
           "lock_all lock_on_fault low_addresses reservations no_executable_memory "
           "protection_keys queries_allocate_nothing huge_pages anonymous_executables");
  AddModes(hosts, "memory", 2, "break_grows no_more_mappings heap_is_trimmed own_mapping_stays");
  AddModes(hosts, "memory", kAny, "no_mappings_at_first dont_fork");
}

void AddDescriptors(HostList* hosts) {
  AddModes(hosts, "descriptors", 1,
           "numbers socket_activation record_lock left_for_exec epoll full_output broken_output "
           "gone_directory umask high_numbers lock_by_flock");
  AddModes(hosts, "descriptors", 2, "closefrom duplicate_over_all end_of_pipe close_stderr");
}

void AddSpawning(HostList* hosts) {
  AddModes(hosts, "spawning", 2, "vfork daemon double_fork parent_dies");
  AddModes(hosts, "spawning", 3, "handlers_of_fork _Fork raw_fork clone3 fork_in_thread");
  AddModes(hosts, "spawning", 1, "clone_sharing_memory shell_commands");
  AddModes(hosts, "spawning", kAny, "connect_sharing_memory");
  AddModes(hosts, "spawning", 41, "many_forks");
  AddModes(hosts, "spawning", 2, "no_other_children children_ignored");
}

void AddThreading(HostList* hosts) {
  AddModes(
      hosts, "threading", 1,
      "detached thread_count scheduling name cancelled_at_once cancel_state large_thread_local");
  AddModes(hosts, "threading", 2,
           "main_ends_first key_destructor thread_local_object keys_left own_stack");
  AddModes(hosts, "threading", 3, "own_files");
  AddModes(hosts, "threading", 900, "many_threads");
  AddModes(hosts, "threading", kAny, "runs_at_exit");
  for (const char* mode : {"user_of_one_thread", "first_connect_as_other"}) {
    hosts->push_back({std::string("threading ") + mode, kAny, {}, true});
  }
}

void AddDynamic(HostList* hosts) {
  AddModes(hosts, "dynamic", kNoLedger,
           "addresses_equal address_equal_by_handle versioned_names messages_of_failure not_loaded "
           "address_info link_map_list odd_names search_paths");
  AddModes(hosts, "dynamic", 1, "next counters_stay connect_while_iterating opens_and_closes");
  AddModes(hosts, "dynamic", 2, "failure_is_kept");
  AddModes(hosts, "dynamic", kAny, "other_namespace");
}

void AddStacks(HostList* hosts) {
  AddModes(hosts, "stacks", 1, "context_in_heap stack_is_gone at_the_edge frame_loop recursion");
  AddModes(hosts, "stacks", 2,
           "context switch_in_callback frame_pointer_null frame_pointer_odd frame_pointer_high "
           "return_address_odd signal_stack_coroutine");
  AddModes(hosts, "stacks", 3, "just_in_time");
  AddModes(hosts, "stacks", 300, "many_fibers");
}

void AddExits(HostList* hosts) {
  AddModes(hosts, "exits", 1,
           "in_thread in_handler abort_handled raw on_exit exec_at_exit fork_at_exit "
           "stack_overflow in_callback terminate kill_self output_flushed");
  AddModes(hosts, "exits", 2, "quick_exit first_thread_alone handler_registers_handler cpu_limit");
  AddModes(hosts, "exits", 3, "handlers_in_order");
}

void AddState(HostList* hosts) {
  AddModes(hosts, "state", 1,
           "locale locale_of_thread rounding floating_traps random_sequence hidden_state_of_libc "
           "time_zone time_zone_not_yet_read unbuffered wide_output stream_locked environment "
           "timers interrupted process_name priorities death_signal");
  AddModes(hosts, "state", 1, "timer_thread");
  AddModes(hosts, "state", 3, "environment_grows");
  AddModes(hosts, "state", kAny, "environment_null title_over_environment");
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
  AddMemory(&hosts);
  AddDescriptors(&hosts);
  AddSpawning(&hosts);
  AddThreading(&hosts);
  AddDynamic(&hosts);
  AddStacks(&hosts);
  AddExits(&hosts);
  AddState(&hosts);
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
