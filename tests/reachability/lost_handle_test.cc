// SPDX-License-Identifier: Apache-2.0
//
// `pqleash report` on programs that keep connections and on programs that lose them. Nothing that
// is kept may be called lost.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>

#include "shim/ledger/layout.h"
#include "tests/e2e/observed.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

template <typename Header>
constexpr bool NamesPrivateMemory() {
  return requires(Header header) { header.private_begin; };
}

// What a report says of the connections of a program.
struct Verdicts {
  uint64_t held = 0;
  uint64_t owner_lost = 0;
  uint64_t proven = 0;
  uint64_t likely = 0;
  uint64_t not_judged = 0;
  std::vector<std::string> places;
  Json report;
};

std::ostream& operator<<(std::ostream& stream, const Verdicts& verdicts) {
  stream << verdicts.held << " held, " << verdicts.proven << " proven, " << verdicts.likely
         << " likely, " << verdicts.not_judged << " not judged;";
  for (const std::string& place : verdicts.places) stream << " [" << place << "]";
  return stream;
}

Verdicts VerdictsIn(const Json& report) {
  Verdicts verdicts;
  if (!report.is_object()) return verdicts;
  verdicts.report = report;
  for (const Json& call_site : report["call_sites"]) {
    for (const Json& connection : call_site["connections"]) {
      const Json reference = connection.value("reference", Json());
      const bool judged = reference.is_object() && reference["verdict"] != "unknown";
      const bool held = judged && reference["verdict"] == "held";
      const bool lost = judged && reference["verdict"] == "lost";
      verdicts.proven += lost && reference["confidence"] == "proven";
      verdicts.likely += lost && reference["confidence"] == "likely";
      const bool owner_lost = judged && reference["verdict"] == "owner_lost";
      verdicts.held += held;
      verdicts.owner_lost += owner_lost;
      verdicts.not_judged += !judged;
      if (held || owner_lost) verdicts.places.push_back(reference["where"]);
    }
  }
  return verdicts;
}

class LostHandle : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!NamesPrivateMemory<ledger::Header>()) {
      GTEST_SKIP() << "the ledger does not say where the library's own memory is";
    }
  }

  virtual Command Holder(const std::string& ways) const {
    Command command = observed_.Preloaded({PQLEASH_TEST_HOLDER, ways});
    command.environment["LD_LIBRARY_PATH"] = PQLEASH_TEST_STANDIN_DIR;
    command.hold_input = true;
    return command;
  }

  Verdicts Judge(const std::string& ways) const {
    Subprocess holder(Holder(ways));
    EXPECT_TRUE(holder.WaitForOutput("ready")) << ways;
    return Judge(holder);
  }

  Command Waiter(const Words& arguments = {}) const {
    Words words = {PQLEASH_TEST_WAITER};
    words.insert(words.end(), arguments.begin(), arguments.end());
    Command command = observed_.Preloaded(words);
    command.environment["LD_LIBRARY_PATH"] = PQLEASH_TEST_STANDIN_DIR;
    command.hold_input = true;
    return command;
  }

  // By thresholds that judge at once what would take minutes.
  Verdicts Judge(const Subprocess& program, const Words& options = {}) const {
    Words words = {"--pid", std::to_string(program.pid()), "--min-age", "0s", "--min-idle", "0s"};
    words.insert(words.end(), options.begin(), options.end());
    return VerdictsIn(observed_.Report(words));
  }

  void ExpectHeld(const std::string& way, uint64_t count, const std::string& place) const {
    const Verdicts verdicts = Judge(way);
    EXPECT_EQ(verdicts.held, count) << way << ": " << verdicts;
    EXPECT_EQ(verdicts.proven + verdicts.likely + verdicts.not_judged, 0u)
        << way << ": " << verdicts;
    EXPECT_TRUE(FindingOf(verdicts.report, "lost-handle").is_null()) << way;
    for (const std::string& found : verdicts.places) {
      EXPECT_TRUE(IsOneOf(place, found)) << way << ": " << found << ", expected " << place;
    }
  }

  // `places`: with '|' between them.
  static bool IsOneOf(std::string places, const std::string& found) {
    for (places += '|'; !places.empty(); places.erase(0, places.find('|') + 1)) {
      if (found.find(places.substr(0, places.find('|'))) != std::string::npos) return true;
    }
    return false;
  }

  void ExpectLost(const std::string& way, uint64_t count) const {
    const Verdicts verdicts = Judge(way);
    EXPECT_EQ(verdicts.proven, count) << way << ": " << verdicts;
    EXPECT_EQ(verdicts.held + verdicts.likely + verdicts.not_judged, 0u) << way << ": " << verdicts;
    const Json finding = FindingOf(verdicts.report, "lost-handle");
    ASSERT_FALSE(finding.is_null()) << way;
    EXPECT_EQ(finding["confidence"], "proven");
  }

  Observed observed_;
};

struct Kept {
  const char* way;
  uint64_t connections;
  const char* place;
};

// Where the address lies on the heap, the block that it lies in may be known by the variable that
// leads there: stale pointers in a PGconn can make such a block look like one of its own objects,
// and then what points to the block is looked for.
constexpr Kept kKept[] = {
    {"global", 1, "global holder::global (holder)"},
    {"packed", 1, "global holder::packed+0x1 (holder)"},
    {"shared-pointer", 1, "heap at 0x|global holder::session"},
    {"aliased", 1, "heap at 0x|global holder::aliased"},
    {"map", 1, "heap at 0x|global holder::map"},
    {"hash", 1, "heap at 0x|global holder::hash"},
    {"deque", 1, "heap at 0x|global holder::deque"},
    {"pool", 50, "heap at 0x|global holder::pool"},
    {"closure", 1, "global holder::callback"},
    {"mapping", 1, "mapping /dev/zero (deleted)+0x2690"},
    {"reused", 2, "heap at 0x|global holder::reused"},
    {"borders", 7, "anonymous memory at 0x"},
    {"tagged", 1, "global holder::tagged"},
    {"epoll", 1, "user data of epoll descriptor"},
    {"timer", 1, "value of a timer's signal"},
    {"stack", 1, "stack of thread"},
    {"thread-local", 2, "TLS of thread"},
    {"thread-specific", 1, "TLS of thread"},
    {"wrapper", 1, "global holder::wrapper (holder)"},
    {"arguments", 7, "heap at 0x|global holder::others"},
    {"moving", 1, ""},
    {"nested", 5, "heap at 0x"},
    {"owner-on-stack", 1, "heap at 0x|anonymous memory at 0x"},
    {"parked-stack", 3, "stack of thread"},
};

struct Lost {
  const char* way;
  uint64_t connections;
};

constexpr Lost kLost[] = {
    {"lost-overwritten", 1},  {"lost-early-return", 1},   {"lost-vector", 1},
    {"lost-large-vector", 1}, {"lost-node", 1},           {"lost-map", 20},
    {"lost-deque", 1},        {"lost-shared-pointer", 1}, {"lost-thread", 1},
};

TEST_F(LostHandle, NothingThatIsKeptIsCalledLost) {
  for (const Kept& kept : kKept) ExpectHeld(kept.way, kept.connections, kept.place);
}

#if defined(__x86_64__)
TEST_F(LostHandle, ARegisterKeeps) {
  ExpectHeld("register", 1, "register of thread");
  ExpectHeld("running-register", 1, "thread");
}
#endif

TEST_F(LostHandle, WhatIsLostIsProven) {
  for (const auto& [way, count] : kLost) ExpectLost(way, count);
}

// Its owner is there, and nothing leads to that one.
TEST_F(LostHandle, WhatOnlyLostOwnersHoldIsLikelyLost) {
  for (const auto& [way, count] :
       {Lost{"lost-owner", 1}, Lost{"lost-cycle", 1}, Lost{"lost-chain", 3}}) {
    const Verdicts verdicts = Judge(way);
    EXPECT_EQ(verdicts.owner_lost, count) << way << ": " << verdicts;
    EXPECT_EQ(verdicts.held + verdicts.proven + verdicts.likely, 0u) << way << ": " << verdicts;
    EXPECT_THAT(verdicts.places,
                ::testing::Each(::testing::AllOf(::testing::HasSubstr("object of "),
                                                 ::testing::HasSubstr("holder::Holder"))))
        << way;
    const Json finding = FindingOf(verdicts.report, "lost-owner");
    ASSERT_FALSE(finding.is_null()) << way;
    EXPECT_EQ(finding["confidence"], "likely");
    EXPECT_EQ(verdicts.report["answer"]["verdict"], "leak");
  }
}

TEST_F(LostHandle, KeptAndLostSideBySide) {
  const Verdicts verdicts = Judge("global,map,pool,packed,lost-overwritten,lost-map");
  EXPECT_EQ(verdicts.held, 53u) << verdicts;
  EXPECT_EQ(verdicts.proven, 21u) << verdicts;
}

// The known limit of the proof: an address that is nowhere as such.
TEST_F(LostHandle, AMaskedAddressCannotBeFound) { ExpectLost("masked", 1); }

// It holds no slot of the server; unfinished-failed-connect speaks of it.
TEST_F(LostHandle, AFailedConnectIsNoLostHandle) {
  const Verdicts verdicts = Judge("lost-failed");
  EXPECT_EQ(verdicts.proven, 1u) << verdicts;
  EXPECT_TRUE(FindingOf(verdicts.report, "lost-handle").is_null());
  EXPECT_FALSE(FindingOf(verdicts.report, "unfinished-failed-connect").is_null());
}

TEST_F(LostHandle, NoConnectionThatMovesIsCalledLost) {
  Subprocess holder(Holder("moving"));
  ASSERT_TRUE(holder.WaitForOutput("ready"));
  for (int i = 0; i < 100; ++i) {
    const Verdicts verdicts = Judge(holder);
    ASSERT_EQ(verdicts.proven + verdicts.likely, 0u) << "repetition " << i << ": " << verdicts;
  }
}

TEST_F(LostHandle, TheFindingNamesThePlaceAndTheNumbers) {
  const Verdicts verdicts = Judge("lost-overwritten,map");
  const Json finding = FindingOf(verdicts.report, "lost-handle");
  ASSERT_FALSE(finding.is_null());
  const Json first = verdicts.report["call_sites"][0];
  EXPECT_EQ(first["id"], finding["call_site"]);
  EXPECT_FALSE(FrameIn(first, "LoseOverwritten").is_null()) << first["frames"];
  EXPECT_EQ(finding["evidence"][0]["name"], "lost");
  EXPECT_EQ(finding["evidence"][0]["number"], 1);
}

// One connection is not told of twice.
TEST_F(LostHandle, ASuspectThatIsProvenIsNoSuspect) {
  Subprocess holder(Holder("lost-map"));
  ASSERT_TRUE(holder.WaitForOutput("ready"));
  const Json report = Judge(holder).report;
  EXPECT_FALSE(FindingOf(report, "lost-handle").is_null());
  EXPECT_TRUE(FindingOf(report, "leak-suspect").is_null()) << report["findings"].dump(1);
}

TEST_F(LostHandle, NoScanLooksAtNoMemory) {
  Subprocess holder(Holder("lost-overwritten"));
  ASSERT_TRUE(holder.WaitForOutput("ready"));
  const Verdicts verdicts = VerdictsIn(observed_.Report({"--no-scan"}));
  EXPECT_EQ(verdicts.not_judged, 1u) << verdicts;
}

TEST_F(LostHandle, WithoutTimeItSaysSo) {
  Subprocess holder(Holder("lost-overwritten"));
  ASSERT_TRUE(holder.WaitForOutput("ready"));
  const Verdicts verdicts = VerdictsIn(observed_.Report({"--scan-time", "0s"}));
  EXPECT_EQ(verdicts.not_judged, 1u) << verdicts;
  EXPECT_NE(verdicts.report["incomplete"].dump().find("the time for the search"),
            std::string::npos);
}

TEST_F(LostHandle, AProgramThatReplacedItselfIsNotJudged) {
  Command command = observed_.Preloaded({"sh", "-c", "exec " PQLEASH_TEST_HOLDER " global"});
  command.environment["LD_LIBRARY_PATH"] = PQLEASH_TEST_STANDIN_DIR;
  command.hold_input = true;
  Subprocess holder(command);
  ASSERT_TRUE(holder.WaitForOutput("ready"));
  EXPECT_EQ(Judge(holder).held, 1u);
}

// Which of the waits of the program were interrupted, as it says: 'epoll_wait=1 '; empty: none.
std::string Interrupted(Subprocess* waiter) {
  waiter->CloseInput();
  const std::string& out = waiter->Wait().out;
  std::istringstream words(out.substr(std::min(out.find('\n') + 1, out.size())));
  std::string interrupted;
  size_t waits = 0;
  for (std::string word; words >> word; ++waits) {
    if (!word.ends_with("=0")) interrupted += word + ' ';
  }
  return waits == 0 ? "it said nothing: " + out : interrupted;
}

TEST_F(LostHandle, ALookAtRegistersInterruptsNothing) {
  Subprocess waiter(Waiter());
  ASSERT_TRUE(waiter.WaitForOutput("ready"));
  for (int i = 0; i < 50; ++i) {
    const Verdicts verdicts = Judge(waiter);
    ASSERT_EQ(verdicts.likely, 1u) << verdicts;
    const Json finding = FindingOf(verdicts.report, "lost-handle");
    ASSERT_FALSE(finding.is_null());
    // It says whose registers it did not look at, and how they can be had.
    EXPECT_NE(finding["summary"].get<std::string>().find("--registers"), std::string::npos)
        << finding;
  }
  EXPECT_EQ(Interrupted(&waiter), "");
}

// A wait that has no time-out loses nothing by beginning anew.
TEST_F(LostHandle, WhoWaitsWithoutATimeOutIsLookedAtUnasked) {
  Subprocess waiter(Waiter({"forever"}));
  ASSERT_TRUE(waiter.WaitForOutput("ready"));
  for (int i = 0; i < 50; ++i) {
    const Verdicts verdicts = Judge(waiter);
    ASSERT_EQ(verdicts.proven, 1u) << verdicts;
  }
  EXPECT_EQ(Interrupted(&waiter), "");
}

TEST_F(LostHandle, NorDoesALookAtAllRegisters) {
  Subprocess waiter(Waiter());
  ASSERT_TRUE(waiter.WaitForOutput("ready"));
  for (int i = 0; i < 50; ++i) {
    const Verdicts verdicts = Judge(waiter, {"--registers"});
    ASSERT_EQ(verdicts.proven, 1u) << verdicts;
  }
  EXPECT_EQ(Interrupted(&waiter), "");
}

// Whatever the moment at which the process ends, the report is made.
TEST_F(LostHandle, AProcessMayEndMeanwhile) {
  for (int i = 0; i < 30; ++i) {
    Subprocess holder(Holder("pool,lost-overwritten"));
    ASSERT_TRUE(holder.WaitForOutput("ready"));
    Command report = {.arguments = {PQLEASH_TEST_TOOL, "report", "--all", "--format", "json"},
                      .environment = {{"PQLEASH_DIR", observed_.ledgers()}}};
    Subprocess tool(report);
    usleep(static_cast<useconds_t>(i) * 1'000);
    holder.Signal(SIGKILL);
    const Outcome outcome = tool.Wait();
    EXPECT_EQ(outcome.exit_code, 0) << HowItEnded(outcome) << outcome.err;
    const Verdicts verdicts = VerdictsIn(Json::parse(outcome.out, nullptr, false));
    EXPECT_LE(verdicts.proven, 1u) << verdicts;
  }
}

// The tool as another user that may read the ledger, but not the process.
TEST_F(LostHandle, WithoutPermissionTheRestIsReported) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  Subprocess holder(Holder("lost-overwritten"));
  ASSERT_TRUE(holder.WaitForOutput("ready"));
  namespace fs = std::filesystem;
  fs::permissions(fs::path(observed_.ledgers()).parent_path(), fs::perms(0755));
  fs::permissions(observed_.ledgers(), fs::perms(0755));
  std::string ledger;
  for (const auto& entry : fs::directory_iterator(observed_.ledgers())) {
    fs::permissions(entry.path(), fs::perms(0644));
    if (entry.path().extension() == ".ledger") ledger = entry.path();
  }
  // The build may lie where another user cannot go.
  const std::string tool = observed_.file("pqleash");
  fs::copy_file(PQLEASH_TEST_TOOL, tool);
  const Outcome outcome =
      RunToEnd({.arguments = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", tool,
                              "report", "--format", "json", ledger}});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Verdicts verdicts = VerdictsIn(Json::parse(outcome.out, nullptr, false));
  EXPECT_EQ(verdicts.not_judged, 1u) << verdicts;
  EXPECT_NE(verdicts.report["incomplete"].dump().find("another user"), std::string::npos)
      << verdicts.report["incomplete"];
}

// Memory can be read, and registers cannot: a debugger has them.
TEST_F(LostHandle, WithoutRegistersItIsLikely) {
  Subprocess holder(Holder("lost-overwritten,global"));
  ASSERT_TRUE(holder.WaitForOutput("ready"));
  // This test is the debugger. A seized process goes on, and is let go when the tracer detaches.
  ASSERT_EQ(ptrace(PTRACE_SEIZE, holder.pid(), nullptr, nullptr), 0) << std::strerror(errno);
  const Verdicts verdicts = Judge(holder);
  ASSERT_EQ(ptrace(PTRACE_INTERRUPT, holder.pid(), nullptr, nullptr), 0) << std::strerror(errno);
  ASSERT_EQ(waitpid(holder.pid(), nullptr, __WALL), holder.pid());
  ASSERT_EQ(ptrace(PTRACE_DETACH, holder.pid(), nullptr, nullptr), 0) << std::strerror(errno);
  EXPECT_EQ(verdicts.likely, 1u) << verdicts;
  EXPECT_EQ(verdicts.held, 1u) << verdicts;
  const Json finding = FindingOf(verdicts.report, "lost-handle");
  ASSERT_FALSE(finding.is_null());
  EXPECT_NE(finding["summary"].get<std::string>().find("a debugger is attached"), std::string::npos)
      << finding;
}

// --- PostgreSQL's own libpq, with TLS or without: see CMakeLists.txt -----------------------------

class PostgresLostHandle : public LostHandle {
 protected:
  void SetUp() override {
    LostHandle::SetUp();
    if (!IsSkipped()) {
      ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
    }
  }
  Command Holder(const std::string& ways) const override {
    Command command = observed_.Preloaded({PQLEASH_TEST_HOLDER, ways});
    command.hold_input = true;
    return command;
  }
  Command Python(const std::string& script) const {
    Command command = observed_.Preloaded({"/usr/bin/python3", "-c", script});
    command.hold_input = true;
    return command;
  }
};

TEST_F(PostgresLostHandle, TheServerSpeaksTlsWhereItShould) {
  if (getenv("PQLEASH_TEST_TLS") == nullptr) GTEST_SKIP() << "without TLS";
  EXPECT_EQ(Psql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), "t");
}

TEST_F(PostgresLostHandle, NothingThatIsKeptIsCalledLost) {
  for (const Kept& kept : kKept) ExpectHeld(kept.way, kept.connections, kept.place);
}

TEST_F(PostgresLostHandle, WhatIsLostIsProven) {
  // OpenSSL leaves copies behind in memory that is in use again, and not cleared.
  const bool tls = getenv("PQLEASH_TEST_TLS") != nullptr;
  uint64_t lost = 0;
  uint64_t proven = 0;
  for (const auto& [way, count] : kLost) {
    if (!tls) ExpectLost(way, count);
    const Verdicts verdicts = Judge(way);
    lost += count;
    proven += verdicts.proven;
    EXPECT_EQ(verdicts.proven + verdicts.held, count) << way << ": " << verdicts;
  }
  EXPECT_GE(4 * proven, 3 * lost) << proven << " of " << lost;
}

// A connect that was given up halfway may hold a slot of the server, and is known by its handle
// alone.
TEST_F(PostgresLostHandle, AConnectThatWasAbandonedIsToldFromOneThatIsUnderWay) {
  const Verdicts abandoned = Judge("lost-begun");
  EXPECT_EQ(abandoned.proven, 1u) << abandoned;
  EXPECT_TRUE(FindingOf(abandoned.report, "lost-handle").is_null());
  const Json finding = FindingOf(abandoned.report, "unfinished-failed-connect");
  ASSERT_FALSE(finding.is_null());
  EXPECT_NE(finding["summary"].get<std::string>().find("abandoned"), std::string::npos) << finding;

  const Verdicts under_way = Judge("begun");
  EXPECT_EQ(under_way.held, 1u) << under_way;
  EXPECT_TRUE(FindingOf(under_way.report, "unfinished-failed-connect").is_null());
}

TEST_F(PostgresLostHandle, Python) {
  if (RunToEnd({.arguments = {"/usr/bin/python3", "-c", "import psycopg2"}}).exit_code != 0) {
    GTEST_SKIP() << "python3-psycopg2 is not installed";
  }
  // Through libpq itself, since psycopg2's own objects are finished when they are lost.
  const std::string script =
      "import ctypes, psycopg2, sys\n"
      "libpq = ctypes.CDLL('libpq.so.5')\n"
      "libpq.PQconnectdb.restype = ctypes.c_void_p\n"
      "def lose():\n"
      "    libpq.PQconnectdb(b'')\n"
      "kept = [psycopg2.connect('') for i in range(5)]\n"
      "for connection in kept:\n"
      "    connection.cursor().execute('SELECT 1')\n"
      "for i in range(10): lose()\n"
      "def use_stack(n):\n"
      "    return [str(n)] + use_stack(n - 1) if n else []\n"
      "for i in range(5): use_stack(300), [str(n) for n in range(100000)]\n"
      "print('ready', flush=True)\n"
      "sys.stdin.read()\n";
  Subprocess python(Python(script));
  ASSERT_TRUE(python.WaitForOutput("ready"));
  const Verdicts verdicts = Judge(python);
  EXPECT_EQ(verdicts.held + verdicts.proven, 15u) << verdicts << verdicts.report["call_sites"];
  // Not all of them: the interpreter does not clear memory that it keeps for later.
  EXPECT_GE(verdicts.proven, 1u) << verdicts;
  const Json lost = CallSiteIn(verdicts.report, "lose");
  for (const Json& call_site : verdicts.report["call_sites"]) {
    if (call_site["id"] == lost["id"]) continue;
    for (const Json& connection : call_site["connections"]) {
      EXPECT_EQ(connection["reference"]["verdict"], "held") << connection;
    }
  }
}

}  // namespace
}  // namespace pqleash::testing
