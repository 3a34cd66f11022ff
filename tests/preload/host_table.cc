// SPDX-License-Identifier: Apache-2.0

#include "tests/preload/host_table.h"

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <sstream>
#include <string_view>

#include "tests/preload/host_tools.h"

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
  // Whether there is room for our state on it depends on the processor.
  AddModes(hosts, "signal_state", kAny, "alternate_stack_small alternate_stack_smallest");
  AddModes(hosts, "signal_state", 2, "in_handler");
  AddModes(hosts, "signal_state", 3000, "storm_of_time storm_of_profiler");
  AddModes(hosts, "signal_state", kAny, "jumps_out");
  AddModes(hosts, "signal_state", 1001, "storm_that_queries");
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
  AddModes(hosts, "stacks", 1,
           "context_in_heap context_small stack_is_gone at_the_edge frame_loop recursion");
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

void AddReplacements(HostList* hosts) {
  AddModes(hosts, "replaces_libc", 1, "before_main during_queries looks_up_inside");
  AddModes(hosts, "replaces_libc", kNoLedger, "during_look_ups");
  AddModes(hosts, "replaces_libc", kAny, "refusing");
  AddModes(hosts, "replaces_malloc", 1, "before_main during_queries");
  AddModes(hosts, "replaces_malloc", kNoLedger, "during_look_ups");
  AddModes(hosts, "replaces_malloc", 2, "looks_up lists exit_handlers");
  AddModes(hosts, "replaces_malloc", kAny, "fails fails_at_first");
  AddModes(hosts, "replaces_linker", 1, "own exit _exit");
  // The host's own dlsym comes first: what it answers by handle passes us by.
  AddModes(hosts, "replaces_linker", kAny, "by_handle");
  AddModes(hosts, "replaces_linker", kNoLedger, "before_main");
}

void AddStartUp(HostList* hosts) {
  AddModes(hosts, "startup", 2, "preinit constructor constructor_thread");
  AddModes(hosts, "startup", 1, "preinit_looks_up constructor_opens resolver");
  AddModes(hosts, "startup", kNoLedger, "preinit_exit constructor_exit");
  AddModes(hosts, "startup", 2, "constructor_fork");
  hosts->push_back({"startup preinit_environment", 1, {{"HOST_MARK", "seen"}}});
  hosts->push_back({"startup destructor", 2, {{"HOST_MARK", "destructor"}}});
  for (const char* way : {"pie", "no_pie", "static", "static_pie", "now", "lazy", "no_relro",
                          "sysv_hash", "executable_stack"}) {
    hosts->push_back({std::string("plain_") + way});
  }
  hosts->push_back({"no_libc"});
  hosts->push_back({"libc.so.6", kNoLedger, {}, false, {"/lib/x86_64-linux-gnu/libc.so.6"}});
  hosts->push_back({"ld.so basic", 2, {}, false, {"/lib64/ld-linux-x86-64.so.2", "@/basic"}});
}

// The same program in an environment that the linker or libc reads.
void AddEnvironments(HostList* hosts) {
  const auto with = [&](const char* label, const char* name, const std::string& value) {
    hosts->push_back({std::string("basic ") + label, 2, {{name, value}}, false, {"basic"}});
  };
  with("LD_BIND_NOW", "LD_BIND_NOW", "1");
  with("LD_BIND_NOT", "LD_BIND_NOT", "1");
  with("LD_DYNAMIC_WEAK", "LD_DYNAMIC_WEAK", "1");
  with("LD_AUDIT", "LD_AUDIT", std::string(PQLEASH_TEST_PROGRAMS) + "/audit.so");
  with("MALLOC_PERTURB_", "MALLOC_PERTURB_", "165");
  with("MALLOC_ARENA_MAX", "MALLOC_ARENA_MAX", "1");
  with("no_rseq", "GLIBC_TUNABLES", "glibc.pthread.rseq=0");
  with("no_static_tls", "GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=0");
  with("no_tcache", "GLIBC_TUNABLES", "glibc.malloc.tcache_count=0");
  with("few_hwcaps", "GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2_Usable,-ERMS,-AVX512F");
  with("library_path_relative", "LD_ORIGIN_PATH", "relative");
}

void AddPrivileges(HostList* hosts) {
  const auto as_root = [&](const char* mode, int opened) {
    hosts->push_back({std::string("privileges ") + mode, opened, {}, true});
  };
  for (const char* mode : {"drops_all", "keeps_capabilities"}) as_root(mode, 2);
  for (const char* mode : {"no_capabilities", "secure_bits", "pid_namespace"}) as_root(mode, 1);
  for (const char* mode : {"mount_namespace", "net_namespace", "cgroup_namespace"})
    as_root(mode, 2);
  AddModes(hosts, "privileges", 1, "no_new_privileges not_dumpable");
  AddModes(hosts, "privileges", kAny,
           "user_namespace filter_not_permitted filter_no_such_call landlocked");
  for (const char* mode : {"read_only_everywhere", "no_proc", "set_user_bit", "set_group_bit"}) {
    as_root(mode, kAny);
  }
  hosts->push_back({.program = "privileges file_capability",
                    .opened = kAny,
                    .root = true,
                    .needs = "/sbin/setcap"});
}

void AddIntegrity(HostList* hosts) {
  AddModes(hosts, "integrity", 1,
           "text_unchanged environment_of_kernel status reads_itself auxiliary_vector executable "
           "files_mapped");
  AddModes(hosts, "integrity", 2, "trace_me");
  // What a host sees of any preload is there in the bare run as well.
  const std::vector<std::string> nothing = {std::string(PQLEASH_TEST_PROGRAMS) +
                                            "/preload_nothing.so"};
  hosts->push_back({"integrity objects", 1, {}, false, {}, nothing});
  hosts->push_back({"integrity refuses_preload", kNoLedger, {}, false, {}, nothing});
  hosts->push_back({"integrity runs_again_without", kNoLedger, {}, false, {}, nothing});
}

void AddReplacing(HostList* hosts) {
  AddModes(hosts, "replacing", 1,
           "work empty_environment null_environment unset fails other_program preload_empty");
  AddModes(
      hosts, "replacing", 2,
      "by_descriptor by_descriptor_closed script in_thread no_random_addresses old_layout "
      "stack_unlimited no_arguments many_arguments preload_spaces preload_colons preload_twice "
      "preload_appended preload_missing");
  AddModes(hosts, "replacing", 9, "chain");
}

void AddCxx(HostList* hosts) {
  AddModes(hosts, "cxx", 1,
           "throws_through_query current_exception while_unwinding not_caught stack_is_walked "
           "new_handler runtime");
  AddModes(hosts, "cxx", 2, "thread_ends_in_callback static_object threads");
}

void AddLate(HostList* hosts) {
  AddModes(hosts, "late", 1,
           "thread_local_room thread_local_room_first thread_local_byte in_callback global");
  AddModes(hosts, "late", 2, "in_thread");
  AddModes(hosts, "late", 301, "while_connecting");
}

void AddClocks(HostList* hosts) {
  AddModes(hosts, "clocks", 1, "year timer_descriptor alarm_during_connect process_timer");
  AddModes(hosts, "clocks", 2, "resolution");
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
  AddReplacements(&hosts);
  AddStartUp(&hosts);
  AddEnvironments(&hosts);
  AddPrivileges(&hosts);
  AddIntegrity(&hosts);
  AddReplacing(&hosts);
  AddCxx(&hosts);
  AddLate(&hosts);
  AddClocks(&hosts);
  AddHostTools(&hosts);
  AddHazards(&hosts);
  return hosts;
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const Host& host) { return stream << host.program; }

const std::vector<Host>& Hosts() {
  static const HostList kHosts = All();
  return kHosts;
}

std::vector<Host> ServedHosts() {
  std::vector<Host> served;
  for (const Host& host : Hosts()) {
    const std::string program = host.program.substr(0, host.program.find(' '));
    // The server notices what these take from libpq itself, or they are about the stand-in.
    constexpr std::string_view kPrograms =
        " cxx descriptors exits integrity late limits replacing spawning startup state ";
    if (kPrograms.find(" " + program + " ") == std::string_view::npos) continue;
    served.push_back(host);
    served.back().opened = kAny;
  }
  return served;
}

std::vector<std::string> HostPrograms() { return {PQLEASH_TEST_HOST_PROGRAMS}; }

}  // namespace pqleash::testing
