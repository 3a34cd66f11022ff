// SPDX-License-Identifier: Apache-2.0
//
// Fail open: whatever the surroundings refuse, the host says and does what it says and does without
// the library, leaves no trace of it in descriptors, errno and signal mask, and is not held up.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "tests/caps/board_view.h"
#include "tests/support/lateness.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

using Words = std::vector<std::string>;

constexpr int kNotAllowed = 77;  // see host.cc

// Everything that reads, allocates or maps has something to do: caps of all scopes, both of the
// kinds, keys of every type, a problem or two.
constexpr char kConfiguration[] = R"(
stack_depth = 24
a_key_that_is_not_known_and_long_enough_for_the_heap = [1, [2, "three three three three three"]]

[[cap]]
name = "of the service"
limit = 100000
scope = "service"
on_limit = "wait"

[[cap]]
name = "of the user"
limit = 100000
scope = "user"

[[pace]]
name = "of the process"
rate = "1000000/s"
burst = 1000000
scope = "process"
)";

// In force, where the one above is none for its problem.
constexpr char kCaps[] = R"(
[[cap]]
name = "of the service"
limit = 100000
scope = "service"
on_limit = "wait"

[[cap]]
name = "of the process"
limit = 100000
)";

class Trial {
 public:
  Trial() {
    std::filesystem::create_directory(ledgers());
    chmod(ledgers().c_str(), 0700);
    std::ofstream(directory_ / "all.toml") << kConfiguration;
    std::ofstream(directory_ / "caps.toml") << kCaps;
  }
  ~Trial() { chmod(ledgers().c_str(), 0700); }

  Command Bare(Words words) const {
    Command command;
    words[0] = std::string(PQLEASH_TEST_PROGRAMS) + "/" + words[0];
    command.arguments = std::move(words);
    command.environment["FAULTS_DIRECTORY"] = ledgers();
    if (getenv("PGHOST") == nullptr) {
      command.environment["LD_LIBRARY_PATH"] = PQLEASH_TEST_STANDIN_DIR;
    }
    command.limit = std::chrono::seconds(100);
    return command;
  }
  Command Preloaded(const Words& words, const char* configuration) const {
    Command command = Bare(words);
    command.environment["LD_PRELOAD"] = PQLEASH_TEST_LIBRARY;
    command.environment["PQLEASH_DIR"] = ledgers();
    command.environment["PQLEASH_CONFIG"] = directory_ / configuration;
    command.environment["PQLEASH_LOG"] = directory_ / "log";
    command.environment["PQLEASH_LOG_LEVEL"] = "debug";
    command.environment["PQLEASH_REPORT_AT_EXIT"] = directory_ / "report";
    command.environment["PQLEASH_KEEP_DEAD"] = "4";
    return command;
  }

  void Configure(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ / name) << text;
  }

  std::string ledgers() const { return directory_ / "ledgers"; }
  std::string Log() const {
    std::ostringstream text;
    text << std::ifstream(directory_ / "log").rdbuf();
    return text.str();
  }

 private:
  const TemporaryDirectory directory_;
};

double SecondsOf(const Command& command, Outcome* outcome) {
  const auto begin = std::chrono::steady_clock::now();
  *outcome = RunToEnd(command);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The lines of `text` whose number, before the colon, is none of `but`.
std::string LinesBut(const std::set<std::string>& but, const std::string& text) {
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (!but.contains(line.substr(0, line.find(':')))) kept += line + '\n';
  }
  return kept;
}

// --- Every system call that there is, one after the other ----------------------------------------

struct Denied {
  const char* name;
  const char* when;  // 'first' or 'later', see denied_calls.cc
  const char* work;
  std::set<std::string> but = {};
};

std::ostream& operator<<(std::ostream& stream, const Denied& denied) {
  return stream << denied.name;
}

class EveryCall : public ::testing::TestWithParam<std::tuple<int, Denied>> {};

TEST_P(EveryCall, MayBeDenied) {
  const auto& [error, denied] = GetParam();
  const Words words = {"denied_calls", std::to_string(error), denied.when, denied.work};
  const Outcome bare = RunToEnd(Trial().Bare(words));
  if (bare.exit_code == 99)
    GTEST_SKIP() << "no filter of system calls is allowed here: " << bare.out;
  const Trial trial;
  const Outcome preloaded = RunToEnd(trial.Preloaded(words, "caps.toml"));
  EXPECT_EQ(HowItEnded(preloaded), HowItEnded(bare)) << preloaded.err;
  EXPECT_EQ(LinesBut(denied.but, preloaded.out), LinesBut(denied.but, bare.out));
  EXPECT_NE(trial.Log().find("cannot make the ledger"), std::string::npos)
      << "nothing was kept from the library";
}

// Without these a host with threads is ended by glibc itself, or not, as its threads happen to
// meet: munmap (11) changes errno in pthread_create, futex (202) and rseq (334) end the process.
const std::set<std::string> kThreadsNeed = {"11", "202", "334"};

INSTANTIATE_TEST_SUITE_P(
    Faults, EveryCall,
    ::testing::Combine(::testing::Values(EPERM, ENOSYS),
                       ::testing::Values(Denied{"AtFirst", "first", "once"},
                                         Denied{"WhenGrowing", "first", "many"},
                                         Denied{"InThreads", "first", "threads", kThreadsNeed})),
    [](const auto& test) {
      return std::string(std::get<1>(test.param).name) +
             (std::get<0>(test.param) == EPERM ? "Eperm" : "Enosys");
    });
// Kernels before 5.14 say EINVAL to the advice that makes pages.
INSTANTIATE_TEST_SUITE_P(OldKernel, EveryCall,
                         ::testing::Values(std::tuple(EINVAL, Denied{"Einval", "first", "once"})));

// --- The first thing that can fail, the second, the third, …
// --------------------------------------

struct Nth {
  const char* name;
  Words words;
  int at_least;  // so many can fail
};

std::ostream& operator<<(std::ostream& stream, const Nth& nth) { return stream << nth.name; }

class TheNth : public ::testing::TestWithParam<Nth> {};

// Names of the ledgers of these programs there.
std::string OursInDefaultDirectory() {
  std::set<std::string> names;
  const std::string directory = "/dev/shm/pqleash-" + std::to_string(geteuid());
  if (!std::filesystem::exists(directory)) return "";
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ostringstream bytes;
    bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    if (bytes.str().find(PQLEASH_TEST_PROGRAMS) != std::string::npos)
      names.insert(entry.path().filename());
  }
  std::string text;
  for (const std::string& name : names) text += name + '\n';
  return text;
}

TEST_P(TheNth, MayFailAndAllThatFollow) {
  const Outcome bare = RunToEnd(Trial().Bare(GetParam().words));
  if (bare.exit_code == 99) GTEST_SKIP() << "no filter of system calls is allowed here";
  // Nothing of the host's own is made to fail.
  EXPECT_EQ(bare.err, "tried 0\n");
  const std::string before = OursInDefaultDirectory();
  for (const char* configuration : {"all.toml", "caps.toml"}) {
    const Trial trial;
    Command command = trial.Preloaded(GetParam().words, configuration);
    // A process for each thing that can fail takes 20 s, and minutes on a machine that does more.
    command.limit = std::chrono::minutes(8);
    const Outcome preloaded = RunToEnd(command);
    EXPECT_EQ(HowItEnded(preloaded), HowItEnded(bare));
    EXPECT_EQ(preloaded.out, bare.out) << configuration;
    int tried = 0;
    EXPECT_EQ(sscanf(preloaded.err.c_str(), "tried %d", &tried), 1) << preloaded.err;
    EXPECT_GE(tried, GetParam().at_least);
    // Without a configuration, too, nothing is written where it was not asked for.
    EXPECT_EQ(OursInDefaultDirectory(), before);
  }
}

std::string Number(int number) { return std::to_string(number); }

INSTANTIATE_TEST_SUITE_P(
    Faults, TheNth,
    ::testing::Values(Nth{"CallEperm", {"nth_call", Number(EPERM), "once"}, 100},
                      Nth{"CallEnosys", {"nth_call", Number(ENOSYS), "many"}, 100},
                      Nth{"CallEnomem", {"nth_call", Number(ENOMEM), "many"}, 100},
                      Nth{"CallEnospc", {"nth_call", Number(ENOSPC), "many"}, 100},
                      Nth{"CallEmfile", {"nth_call", Number(EMFILE), "once"}, 100},
                      Nth{"CallEinval", {"nth_call", Number(EINVAL), "once"}, 100},
                      Nth{"CallEfault", {"nth_call", Number(EFAULT), "many"}, 100},
                      Nth{"CallEintr", {"nth_call", Number(EINTR), "once"}, 100},
                      Nth{"AllocationOnce", {"nth_allocation", "once"}, 200},
                      Nth{"AllocationMany", {"nth_allocation", "many"}, 200}),
    [](const auto& test) { return std::string(test.param.name); });

// --- Limits, mounts, roots
// ------------------------------------------------------------------------

struct Fault {
  const char* name;
  const char* fault;     // see host.cc
  const char* log = "";  // what the log says of it, at least once and at most twice a process
  bool default_directory = false;
};

std::ostream& operator<<(std::ostream& stream, const Fault& fault) { return stream << fault.fault; }

constexpr char kInMemory[] = "are recorded in its memory only";

const Fault kFaults[] = {
    {"None", "none"},
    {"NoDescriptors", "descriptors"},
    {"NoDescriptorsLater", "descriptors-later"},
    {"NoMemory", "memory:0"},
    {"Memory256K", "memory:256"},
    {"Memory1M", "memory:1024"},
    {"Memory2M", "memory:2048"},
    {"Memory4M", "memory:4096"},
    {"Memory8M", "memory:8192"},
    {"Memory16M", "memory:16384"},
    {"FileSize0", "file-size:0"},
    {"FileSize4K", "file-size:4096", kInMemory},
    {"FileSize1M", "file-size:1000000", kInMemory},
    {"FileSizeOfALedger", "file-size:4000000", "count this process alone"},
    {"SmallStack", "stack:96"},
    {"Full", "full", kInMemory},
    {"FullLater", "full-later"},
    {"ReadOnly", "read-only", "Read-only file system; connections of this process are recorded"},
    {"NoProc", "no-proc"},
    {"NoShm", "no-shm", kInMemory, true},
    {"OtherRoot", "root"},
    {"Forbidden", "forbidden"},
    {"RemovedLater", "removed-later"},
};

class Surroundings : public ::testing::TestWithParam<std::tuple<Fault, std::string>> {};

TEST_P(Surroundings, DoNotMatterToTheHost) {
  const auto& [fault, work] = GetParam();
  const Words words = {"host", fault.fault, work};
  const Trial bare_trial;
  Outcome bare;
  const double bare_seconds = SecondsOf(bare_trial.Bare(words), &bare);
  if (bare.exit_code == kNotAllowed) GTEST_SKIP() << fault.name << " cannot be made: " << bare.out;
  ASSERT_EQ(bare.exit_code, 5) << HowItEnded(bare) << bare.out << bare.err;
  const Trial trial;
  Command command = trial.Preloaded(words, "caps.toml");
  if (fault.default_directory) command.environment["PQLEASH_DIR"] = std::nullopt;
  Outcome preloaded;
  const Lateness late;
  const double seconds = SecondsOf(command, &preloaded);
  EXPECT_EQ(HowItEnded(preloaded), HowItEnded(bare));
  EXPECT_EQ(preloaded.out, bare.out);
  EXPECT_EQ(preloaded.err, bare.err);
  EXPECT_LT(seconds, late.Allows(bare_seconds + 3));
  const std::string log = trial.Log();
  EXPECT_NE(log.find(fault.log), std::string::npos) << log;
}

INSTANTIATE_TEST_SUITE_P(Faults, Surroundings,
                         ::testing::Combine(::testing::ValuesIn(kFaults),
                                            ::testing::Values(std::string("once"), "many",
                                                              "threads", "children")),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) + "_" +
                                  std::get<1>(test.param);
                         });

// --- Waiting at a cap
// ------------------------------------------------------------------------------

constexpr char kOnePlace[] = R"(
[[cap]]
name = "one"
limit = 1
scope = "service"
on_limit = "wait"
wait_timeout = ")";

class OnePlace : public ::testing::Test {
 protected:
  Command Holder(const char* fault, const char* timeout) const {
    const std::string name = std::string("one-") + timeout + ".toml";
    trial_.Configure(name, kOnePlace + std::string(timeout) + "\"\n");
    Command command = trial_.Preloaded({"host", fault, "hold"}, name.c_str());
    command.hold_input = true;
    return command;
  }
  bool Waits() const { return StateOf(trial_.ledgers(), "one").waiting == 1; }

 private:
  const Trial trial_;
};

// Stopped by a debugger, or by a shell, while it waits.
TEST_F(OnePlace, IsGivenToOneThatWasStopped) {
  Subprocess first(Holder("none", "20s"));
  ASSERT_TRUE(first.WaitForOutput("connected"));
  Subprocess second(Holder("none", "20s"));
  ASSERT_TRUE(WaitUntil([&] { return Waits(); }));
  second.Signal(SIGSTOP);
  first.CloseInput();
  EXPECT_EQ(first.Wait().exit_code, 5);
  second.Signal(SIGCONT);
  EXPECT_TRUE(second.WaitForOutput("connected"));
  second.CloseInput();
  EXPECT_EQ(second.Wait().exit_code, 5);
}

// Whoever cannot see whether a process lives takes nothing away from it.
TEST_F(OnePlace, IsNotTakenByOneThatCannotSeeItsHolder) {
  Subprocess first(Holder("none", "20s"));
  ASSERT_TRUE(first.WaitForOutput("connected"));
  Subprocess blind(Holder("blind", "1500ms"));  // longer than the time after which is looked twice
  blind.CloseInput();
  const Outcome& outcome = blind.Wait();
  if (outcome.exit_code == kNotAllowed) GTEST_SKIP() << outcome.out;
  EXPECT_EQ(outcome.out, "refused\n");
  first.CloseInput();
  EXPECT_EQ(first.Wait().exit_code, 5);
}

// --- A client in another language, on a real server
// ------------------------------------------------

class Python : public ::testing::TestWithParam<Fault> {};

TEST_P(Python, SurroundingsDoNotMatter) {
  ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
  const Words words = {"host", GetParam().fault, "exec", "/usr/bin/python3", "-c", R"(
import psycopg2
for i in range(3):
    conn = psycopg2.connect("")
    cursor = conn.cursor()
    cursor.execute("select 40 + 2")
    print(cursor.fetchone()[0])
    conn.close()
)"};
  if (system("/usr/bin/python3 -c 'import psycopg2' 2> /dev/null") != 0)  // NOLINT: our own text
    GTEST_SKIP() << "psycopg2 is not installed";
  Outcome bare;
  const double bare_seconds = SecondsOf(Trial().Bare(words), &bare);
  if (bare.exit_code == kNotAllowed) GTEST_SKIP() << "cannot be made: " << bare.out;
  const Trial trial;
  Command command = trial.Preloaded(words, "caps.toml");
  if (GetParam().default_directory) command.environment["PQLEASH_DIR"] = std::nullopt;
  Outcome preloaded;
  const Lateness late;
  const double seconds = SecondsOf(command, &preloaded);
  EXPECT_EQ(HowItEnded(preloaded), HowItEnded(bare)) << preloaded.err;
  EXPECT_EQ(preloaded.out, bare.out);
  EXPECT_EQ(preloaded.err, bare.err);
  EXPECT_LT(seconds, late.Allows(bare_seconds + 3));
}

INSTANTIATE_TEST_SUITE_P(Faults, Python,
                         ::testing::Values(Fault{"None", "none"},
                                           Fault{"FileSize4K", "file-size:4096"},
                                           Fault{"FileSizeOfALedger", "file-size:4000000"},
                                           Fault{"SmallStack", "stack:256"}, Fault{"Full", "full"},
                                           Fault{"ReadOnly", "read-only"},
                                           Fault{"NoProc", "no-proc"},
                                           Fault{"NoShm", "no-shm", "", true}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace pqleash::testing
