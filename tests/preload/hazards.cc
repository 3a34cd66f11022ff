// SPDX-License-Identifier: Apache-2.0

#include "tests/preload/hazards.h"

#include <ostream>

namespace pqleash::testing {

namespace {

using Hazards = std::vector<Hazard>;

std::string File(const char* name) { return std::string(PQLEASH_TEST_PROGRAMS) + "/" + name; }

void Append(Hazards* hazards, const Hazards& more) {
  hazards->insert(hazards->end(), more.begin(), more.end());
}

constexpr Expected kBasic = {.opened = 2, .closed = 1, .failed = 1};

// What libpq can be asked to do.
Hazards Calls() {
  return {
      {"Basic", {"basic"}, kBasic},
      {"OpenFunctions", {"open_functions"}, {.opened = 5, .closed = 5, .failed = 5}},
      {"Asynchronous", {"asynchronous"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"AsynchronousAbandoned",
       {"asynchronous", "abandon"},
       {.opened = 0, .closed = 0, .failed = 1}},
      {"AsynchronousFinishedAtOnce",
       {"asynchronous", "at-once"},
       {.opened = 0, .closed = 0, .failed = 1}},
      {"AsynchronousLeft", {"asynchronous", "leave"}, {.opened = 0, .closed = 0, .failed = 0}},
      {"AsynchronousFailed", {"asynchronous", "fail"}, {.opened = 0, .closed = 0, .failed = 1}},
      {"Reset", {"asynchronous", "reset"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"ResetPolled", {"asynchronous", "reset-poll"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"NullHandle", {"null_handle"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"CancelRequest", {"cancel_request"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"CallbackConnects", {"callback_connects"}, {.opened = 3, .closed = 3, .failed = 0}},
      {"CallbackLeftByLongjmp",
       {"leave_callback", "longjmp"},
       {.opened = 6, .closed = 6, .failed = 0}},
      {"CallbackLeftByException",
       {"leave_callback", "throw"},
       {.opened = 6, .closed = 6, .failed = 0}},
      {"DeepStack", {"deep_stack", "3000"}, {.opened = 1, .closed = 1, .failed = 0}},
  };
}

// How libpq comes into the process.
Hazards Loading() {
  return {
      {"LibraryConstructor", {"library_constructor"}, {.opened = 2, .closed = 2, .failed = 0}},
      // As ctypes does it: bound to the copy of libpq that the handle means.
      {"LookUpByHandle", {"look_up", "handle"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"LinkerAskedAsTheCaller", {"linker"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"LookUpWhileRelocated", {"relocated"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"OwnFunctions", {"own_functions"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"LookUpByDefaultScope", {"look_up", "default"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"Plugins",
       {"plugins", File("plugin_a.so"), File("plugin_b.so")},
       {.opened = 4, .closed = 4, .failed = 0}},
      {"PluginAgain",
       {"plugins", File("plugin_a.so"), File("plugin_a.so")},
       {.opened = 4, .closed = 4, .failed = 0}},
      {"PluginsGlobal",
       {"plugins", "global", File("plugin_a.so")},
       {.opened = 2, .closed = 2, .failed = 0}},
      {"PluginsKept",
       {"plugins", "keep", File("plugin_a.so"), File("plugin_b.so")},
       {.opened = 4, .closed = 4, .failed = 0}},
      // As PHP loads its extensions.
      {"PluginDeepbind",
       {"plugins", "deepbind", File("plugin_a.so")},
       {.opened = 2, .closed = 2, .failed = 0}},
  };
}

// Libpq inside something else, and what only looks like it.
Hazards Doubles() {
  return {
      {"PluginWithLibpqInside",
       {"plugins", File("plugin_inside.so"), File("plugin_inside.so")},
       {.opened = 4, .closed = 4, .failed = 0}},
      {"PluginsWithLibpqInsideAndSystem",
       {"plugins", "keep", File("plugin_a.so"), File("plugin_inside.so")},
       {.opened = 4, .closed = 4, .failed = 0}},
      {"PluginsWithLibpqInsideGlobal",
       {"plugins", "global", File("plugin_inside.so"), File("plugin_inside.so")},
       {.opened = 4, .closed = 4, .failed = 0}},
      // The return address lies in the program, which has no libpq.
      {"PluginWithLibpqInsideTailCalls",
       {"plugins", File("plugin_inside_tail.so"), File("plugin_inside_tail.so")},
       {.opened = 4, .closed = 4, .failed = 0}},
      {"Double", {"uses_double"}, {.opened = kNoLedger}},
      {"DoubleBeforeLibpq", {"uses_double_before_libpq"}, {.opened = kNoLedger}},
  };
}

// Processes and threads.
Hazards Processes() {
  return {
      {"Fork", {"fork", "plain"}, {.opened = 2, .closed = 2, .failed = 0}},
      {"ForkChildConnects", {"fork", "connect"}, {.opened = 4, .closed = 3, .failed = 0}},
      {"ForkChildUsesInherited", {"fork", "use"}, {.opened = 2, .closed = 2, .failed = 0}},
      {"ForkTwice", {"fork", "twice"}, {.opened = 6, .closed = 4, .failed = 0}},
      {"ForkOnlyChildConnects", {"fork", "first"}, {.opened = 3, .closed = 2, .failed = 0}},
      {"Exec", {"exec"}, {.opened = 4, .closed = 2, .failed = 0}},
      {"StartPrograms", {"start_programs"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"Signals", {"signals"}, {.failed = 0, .open = 0}},
      {"QueryCancelled", {"cancel_thread", "query"}, {.opened = 2, .closed = 2, .failed = 0}},
      {"OtherUser",
       {"other_user", "setuid"},
       {.opened = 2, .closed = 2, .failed = 0},
       {},
       {},
       true},
      {"OtherUserFirst", {"other_user", "setuid-first"}, {.opened = kNoLedger}, {}, {}, true},
      {"OtherEffectiveUser",
       {"other_user", "seteuid"},
       {.opened = 4, .closed = 4, .failed = 0},
       {},
       {},
       true},
  };
}

// Ways to end: nothing is finished unless the program does so.
Hazards Endings() {
  Hazards hazards = {
      {"EndByExitHandler", {"ending", "atexit"}, {.opened = 2, .closed = 1, .failed = 0}},
      {"EndByEarlyExitHandler",
       {"ending", "atexit-first"},
       {.opened = 2, .closed = 1, .failed = 0}},
      {"EndWithConnectInExitHandler",
       {"ending", "atexit-connect"},
       {.opened = 3, .closed = 1, .failed = 0}},
      {"EndByDestructor", {"ending", "destructor"}, {.opened = 2, .closed = 1, .failed = 0}},
  };
  for (const char* way :
       {"return", "exit", "_exit", "quick_exit", "abort", "terminated", "crash"}) {
    hazards.push_back(
        {std::string("EndBy_") + way, {"ending", way}, {.opened = 2, .closed = 0, .failed = 0}});
  }
  return hazards;
}

Hazards Killed() {
  // Before each step of kill_step.cc: opened, closed, failed.
  constexpr Expected kBefore[] = {
      {.opened = kNoLedger},                    // connect
      {.opened = 1, .closed = 0, .failed = 0},  // query
      {.opened = 1, .closed = 0, .failed = 0},  // begin
      {.opened = 1, .closed = 0, .failed = 0},  // start
      {.opened = 1, .closed = 0, .failed = 0},  // poll once
      {.opened = 1, .closed = 0, .failed = 0},  // poll
      {.opened = 2, .closed = 0, .failed = 0},  // fail
      {.opened = 2, .closed = 0, .failed = 1},  // finish failed
      {.opened = 2, .closed = 0, .failed = 1},  // reset
      {.opened = 2, .closed = 0, .failed = 1},  // finish first
      {.opened = 2, .closed = 1, .failed = 1},  // finish second
      {.opened = 2, .closed = 2, .failed = 1},  // end
      {.opened = 2, .closed = 2, .failed = 1},  // was not killed
  };
  Hazards hazards;
  int step = 0;
  for (const Expected& expected : kBefore) {
    hazards.push_back(
        {"KilledBeforeStep" + std::to_string(step), {"kill_step", std::to_string(step)}, expected});
    ++step;
  }
  return hazards;
}

// What the process closes, leaves or never had.
Hazards Surroundings() {
  return {
      {"CloseDescriptors",
       {"close_descriptors", "finished"},
       {.opened = 2, .closed = 2, .failed = 1}},
      {"StandardDescriptorsClosed",
       {"standard_descriptors"},
       {.opened = 1, .closed = 1, .failed = 1}},
      {"ChangeDirectory", {"other_root", "chdir"}, {.opened = 3, .closed = 3, .failed = 0}},
      {"FileSizeLimit", {"file_size_limit"}, {.opened = kNoLedger}},
      {"EnvironmentCleared", {"cleared_environment"}, {.opened = 1, .closed = 1, .failed = 0}},
      {"NeverConnects", {"never_connects"}, {.opened = kNoLedger}},
      {"NeverConnectsForks", {"never_connects", "fork"}, {.opened = kNoLedger}},
  };
}

// Configuration, right and wrong. None of it changes what the program sees.
Hazards Settings() {
  const auto with = [](const char* name, std::map<std::string, std::string> environment,
                       Expected expected) {
    return Hazard{name, {"basic"}, expected, std::move(environment)};
  };
  Hazards hazards = {
      with("Disabled", {{"PQLEASH_DISABLE", "1"}}, {.opened = kNoLedger}),
      with("DirectoryMissing", {{"PQLEASH_DIR", "/proc/self/nonexistent/ledgers"}},
           {.opened = kNoLedger}),
      with("DirectoryIsFile", {{"PQLEASH_DIR", "@/file"}}, {.opened = kNoLedger}),
      with("DirectoryIsLink", {{"PQLEASH_DIR", "@/link"}}, {.opened = kNoLedger}),
      with("DirectoryOpenToOthers", {{"PQLEASH_DIR", "@/open"}}, {.opened = kNoLedger}),
      with("LimitMalformed", {{"PQLEASH_LIMIT", "-5"}}, kBasic),
      with("OnLimitMalformed", {{"PQLEASH_LIMIT", "1"}, {"PQLEASH_ON_LIMIT", "explode"}}, kBasic),
      with("WaitTimeoutMalformed", {{"PQLEASH_WAIT_TIMEOUT", "soon"}}, kBasic),
      with("StackDepthMalformed", {{"PQLEASH_STACK_DEPTH", "99999999999999999999"}}, kBasic),
      with("StackDepthOne", {{"PQLEASH_STACK_DEPTH", "1"}}, kBasic),
      with("LogMalformed", {{"PQLEASH_LOG", "nowhere"}, {"PQLEASH_LOG_LEVEL", "loud"}}, kBasic),
      with("LogUnwritable", {{"PQLEASH_LOG", "/proc/self/nonexistent/log"}}, kBasic),
      with("LogToSyslog", {{"PQLEASH_LOG", "syslog"}, {"PQLEASH_LOG_LEVEL", "debug"}}, kBasic),
      with("LogToFile", {{"PQLEASH_LOG", "@/log"}, {"PQLEASH_LOG_LEVEL", "debug"}}, kBasic),
      with("LogAsJson",
           {{"PQLEASH_LOG", "@/log"},
            {"PQLEASH_LOG_LEVEL", "debug"},
            {"PQLEASH_LOG_FORMAT", "json"}},
           kBasic),
      with("ServiceMalformed", {{"PQLEASH_SERVICE", std::string(500, 's') + "\n\x01"}}, kBasic),
      with("ReportAtExitUnwritable", {{"PQLEASH_REPORT_AT_EXIT", "/proc/self/nonexistent/report"}},
           kBasic),
      with("ConfigurationMissing", {{"PQLEASH_CONFIG", "/nonexistent/pqleash.toml"}}, kBasic),
      with("ConfigurationIsDirectory", {{"PQLEASH_CONFIG", "/"}}, kBasic),
      with("ConfigurationIsNoToml", {{"PQLEASH_CONFIG", "@/file"}}, kBasic),
      with("ConfigurationNeverEnds", {{"PQLEASH_CONFIG", "/dev/zero"}}, kBasic),
  };
  for (const auto& [name, directory] :
       {std::pair("DirectoryRelative", std::string("relative")),
        std::pair("DirectoryTooLong", "/" + std::string(5000, 'x'))}) {
    hazards.push_back(with(name, {{"PQLEASH_DIR", directory}}, kBasic));
    hazards.back().default_directory = true;
  }
  const std::map<std::string, std::string> talkative = {{"PQLEASH_LOG", "stderr"},
                                                        {"PQLEASH_LOG_LEVEL", "debug"}};
  hazards.push_back({"LogToStderr", {"basic"}, kBasic, talkative, "", false, false});
  hazards.push_back({"LogToClosedStderr", {"basic"}, kBasic, talkative, "-"});
  hazards.push_back({"LogToBrokenPipe", {"basic"}, kBasic, talkative, "|"});
  hazards.push_back({"LogToFullPipe", {"basic"}, kBasic, talkative, "|full"});
  const std::map<std::string, std::string> reporting = {{"PQLEASH_REPORT_AT_EXIT", "stderr"}};
  hazards.push_back({"ReportToFullPipe", {"basic"}, kBasic, reporting, "|full"});
  std::map<std::string, std::string> capped = talkative;
  capped["PQLEASH_LIMIT"] = "1";
  hazards.push_back({"LogOfACapToFullPipe", {"basic"}, kBasic, capped, "|full"});
  hazards.push_back({"LogAfterDescriptorsClosed",
                     {"close_descriptors", "finished"},
                     {.opened = 2, .closed = 2, .failed = 1},
                     talkative,
                     "",
                     false,
                     false});
  hazards.push_back({"LogWithoutStandardDescriptors",
                     {"standard_descriptors"},
                     {.opened = 1, .closed = 1, .failed = 1},
                     talkative});
  return hazards;
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const Hazard& hazard) {
  for (const std::string& word : hazard.command) stream << word << ' ';
  return stream;
}

std::vector<Hazard> StandinHazards() {
  Hazards hazards;
  for (const Hazards& group :
       {Calls(), Loading(), Processes(), Endings(), Killed(), Surroundings(), Settings()}) {
    Append(&hazards, group);
  }
  Append(&hazards, Doubles());
  Append(
      &hazards,
      {
          {"NoMemory", {"no_memory"}, {.opened = 1, .closed = 1, .failed = 6}},
          {"LibraryConstructorEnds",
           {"library_constructor"},
           {.opened = 2, .closed = 1, .failed = 0},
           {{"PQLEASH_TEST_EARLY_EXIT", "1"}}},
          {"PluginBundled",
           {"plugins", File("plugin_bundled.so")},
           {.opened = 2, .closed = 2, .failed = 0}},
          {"PluginsSystemAndBundled",
           {"plugins", "keep", File("plugin_a.so"), File("plugin_bundled.so")},
           {.opened = 4, .closed = 4, .failed = 0}},
          {"PluginsBundledAndSystem",
           {"plugins", "keep", File("plugin_bundled.so"), File("plugin_a.so")},
           {.opened = 4, .closed = 4, .failed = 0}},
          {"PluginsOneAfterTheOther",
           {"plugins", File("plugin_bundled.so"), File("plugin_a.so"), File("plugin_bundled.so")},
           {.opened = 6, .closed = 6, .failed = 0}},
          {"Threads", {"threads", "50"}, {.opened = 400, .closed = 400, .failed = 0}},
          {"ConnectCancelled",
           {"cancel_thread", "connect"},
           {.opened = 2, .closed = 2, .failed = 0}},
          {"ConnectCancelPending",
           {"cancel_thread", "connect-pending"},
           {.opened = 2, .closed = 2, .failed = 0}},
          {"QueryCancelPending",
           {"cancel_thread", "query-pending"},
           {.opened = 2, .closed = 2, .failed = 0}},
          {"SmallStack", {"small_stack", "32"}, {.opened = 2, .closed = 2, .failed = 0}},
          {"SmallestStackFirst", {"small_stack", "16", "first"}, {.opened = kNoLedger}},
          {"SmallStackFirst",
           {"small_stack", "64", "first"},
           {.opened = 1, .closed = 1, .failed = 0}},
          {"ManyConnections",
           {"many_connections", "5000"},
           {.opened = 4097, .closed = 4097, .failed = 0, .unrecorded = 904}},
          {"CloseDescriptorsHeld",
           {"close_descriptors", "held"},
           {.opened = 2, .closed = 2, .failed = 1}},
          {"NoDescriptors", {"no_descriptors"}},
          {"ChangeRoot",
           {"other_root", "chroot"},
           {.opened = 2, .closed = 2, .failed = 0},
           {},
           {},
           true},
          {"ChangeRootFirst", {"other_root", "chroot-first"}, {.opened = kNoLedger}, {}, {}, true},
      });
  return hazards;
}

std::vector<Hazard> PostgresHazards() {
  Hazards hazards;
  for (const Hazards& group :
       {Calls(), Loading(), Processes(), Endings(), Killed(), Surroundings()}) {
    Append(&hazards, group);
  }
  Append(&hazards,
         {
             {"Threads", {"threads", "10"}, {.opened = 80, .closed = 80, .failed = 0}},
             {"SmallestStackFirst", {"small_stack", "16", "first"}, {.opened = kNoLedger}},
             {"SmallStack", {"small_stack", "128"}, {.opened = 2, .closed = 2, .failed = 0}},
             {"LogToStderr",
              {"basic"},
              kBasic,
              {{"PQLEASH_LOG", "stderr"}, {"PQLEASH_LOG_LEVEL", "debug"}},
              "",
              false,
              false},
         });
  return hazards;
}

}  // namespace pqleash::testing
