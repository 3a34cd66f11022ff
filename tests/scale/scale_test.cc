// SPDX-License-Identifier: Apache-2.0
//
// What pqleash costs where there is much of everything. Each test prints what it measured; what it
// asserts compares with the same run, or is processor time, which does not grow because the machine
// is busy. It leaves no room for a table that fills up or a scan that grows.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "tests/e2e/observed.h"

namespace pqleash::testing {
namespace {

using Clock = std::chrono::steady_clock;

double Number(const Json& json, const char* name) { return json.value(name, -1.0); }

class Scale : public ::testing::Test {
 protected:
  // Ledgers are in memory by default.
  static std::filesystem::path Parent() {
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path();
  }
  std::string ledgers() const { return directory_ / "ledgers"; }

  // `scale WORDS`, with its first line read.
  std::unique_ptr<Subprocess> Start(const Words& words, bool preloaded = true,
                                    const std::string& configuration = {}) {
    Command command = {.arguments = {PQLEASH_TEST_SCALE},
                       .environment = {{"LD_PRELOAD", std::nullopt}, {"PQLEASH_DIR", ledgers()}},
                       .hold_input = true,
                       .limit = std::chrono::seconds(250)};
    command.arguments.insert(command.arguments.end(), words.begin(), words.end());
    if (preloaded) command.environment["LD_PRELOAD"] = PQLEASH_TEST_LIBRARY;
    if (!configuration.empty()) {
      FILE* file = fopen((directory_ / "pqleash.toml").c_str(), "we");
      fputs(configuration.c_str(), file);
      fclose(file);
      command.environment["PQLEASH_CONFIG"] = directory_ / "pqleash.toml";
    }
    auto process = std::make_unique<Subprocess>(command);
    EXPECT_TRUE(process->WaitForOutput("\n")) << process->Wait().err;
    return process;
  }
  static Json Said(const Subprocess& process) {
    return Json::parse(process.output(), nullptr, false);
  }

  struct Looked {
    Outcome outcome;
    double seconds = 0;
    double processor = 0;  // seconds of processor time
    long resident = 0;     // bytes, at most
  };
  // Of all that have been waited for.
  struct Children {
    double processor;  // seconds
    long resident;     // bytes, of the largest
  };
  static Children OfChildren() {
    rusage usage = {};
    getrusage(RUSAGE_CHILDREN, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return {seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss * 1024};
  }
  // `pqleash WORDS`. What the largest so far took is what the kernel counts: ask for the small
  // things first.
  Looked Tool(const Words& words) const {
    Words arguments = {PQLEASH_TEST_TOOL};
    arguments.insert(arguments.end(), words.begin(), words.end());
    Looked looked;
    const auto begin = Clock::now();
    const double used = OfChildren().processor;
    looked.outcome = RunToEnd({.arguments = arguments,
                               .environment = {{"PQLEASH_DIR", ledgers()}},
                               .limit = std::chrono::seconds(120)});
    looked.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const Children children = OfChildren();
    looked.processor = children.processor - used;
    looked.resident = children.resident;
    EXPECT_EQ(looked.outcome.exit_code, 0) << looked.outcome.err.substr(0, 2000);
    return looked;
  }
  Json Report(const Words& more, Looked* looked) const {
    Words words = {"report", "--all", "--format", "json"};
    words.insert(words.end(), more.begin(), more.end());
    *looked = Tool(words);
    return Json::parse(looked->outcome.out, nullptr, false);
  }

  // What the ledgers take, and how many there are.
  uint64_t LedgerBytes(size_t* files = nullptr) const {
    uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(ledgers())) {
      struct stat status = {};
      if (file.path().extension() != ".ledger" || stat(file.path().c_str(), &status) != 0) continue;
      bytes += static_cast<uint64_t>(status.st_blocks) * 512;
      if (files != nullptr) ++*files;
    }
    return bytes;
  }

  const TemporaryDirectory directory_{Parent()};
};

template <typename... Arguments>
void Print(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::print(format, std::forward<Arguments>(arguments)...);
  fflush(stdout);
}

TEST_F(Scale, HundredThousandConnections) {
  constexpr int kMany = 100'000;
  const std::string room = "[ledger]\nconnections = 131072\n";
  const Json bare = Said(*Start({"connections", std::to_string(kMany)}, false));
  auto process = Start({"connections", std::to_string(kMany)}, true, room);
  const Json said = Said(*process);
  const auto print = [](const char* name, const Json& json) {
    Print(
        "{}: connect {:.0f} ns in the first thousand (mean {:.0f}), {:.0f} ns in the last (mean "
        "{:.0f}); query {:.0f} ns; connect+finish beside all of them {:.0f} ns; {:.0f} bytes "
        "resident a connection\n",
        name, Number(json, "connect_first"), Number(json, "mean_first"),
        Number(json, "connect_last"), Number(json, "mean_last"), Number(json, "query"),
        Number(json, "connect_and_finish_full"), Number(json, "resident") / kMany);
  };
  print("bare", bare);
  print("preloaded", said);
  const double ledger = static_cast<double>(LedgerBytes()) / kMany;
  Looked looked, scanned;
  const Json report = Report({"--no-scan"}, &looked);
  Print("ledger {:.0f} bytes a connection; report --no-scan {:.2f} s, {:.0f} MB\n", ledger,
        looked.seconds, static_cast<double>(looked.resident) / 1e6);
  Report({}, &scanned);
  Print("report with the search of memory {:.2f} s, {:.0f} MB\n", scanned.seconds,
        static_cast<double>(scanned.resident) / 1e6);
  const Totals totals = TotalsOf(report);
  EXPECT_EQ(totals.open, uint64_t{kMany});
  EXPECT_EQ(report["processes"][0]["unrecorded"], 0);

  // Flat: what a table that fills up or a chain that grows would not be.
  const double added_first = Number(said, "connect_first") - Number(bare, "connect_first");
  const double added_last = Number(said, "connect_last") - Number(bare, "connect_last");
  EXPECT_LT(added_last, 2 * added_first + 1'000);
  EXPECT_LT(Number(said, "query"), Number(bare, "query") + 2'000);
  EXPECT_LT(Number(said, "resident") - Number(bare, "resident"), 512.0 * kMany + (8 << 20));
  EXPECT_LT(ledger, 256);
  EXPECT_LT(looked.processor, 20);
  EXPECT_LT(scanned.processor, 60);
  process->CloseInput();
  const Outcome& outcome = process->Wait();
  EXPECT_EQ(outcome.exit_code, 0);
  const Json closed = Json::parse(outcome.out.substr(outcome.out.find('\n') + 1), nullptr, false);
  Print("finish {:.0f} ns in the first thousand, {:.0f} ns in the last\n",
        Number(closed, "finish_first"), Number(closed, "finish_last"));
  EXPECT_EQ(TotalsOf(Report({"--no-scan"}, &looked)).open, 0u);
}

// All of them hold a place of one cap, on the board that the service's processes share.
TEST_F(Scale, SixtyThousandConnectionsUnderACap) {
  constexpr int kMany = 60'000;
  auto process = Start({"connections", std::to_string(kMany)}, true,
                       "[ledger]\nconnections = 65536\n[[cap]]\nname = \"far\"\nscope = "
                       "\"service\"\nlimit = 1000000\non_limit = \"wait\"\n");
  const Json said = Said(*process);
  Print(
      "connect {:.0f} ns in the first thousand, {:.0f} ns in the last; connect+finish {:.0f} ns\n",
      Number(said, "connect_first"), Number(said, "connect_last"),
      Number(said, "connect_and_finish_full"));
  EXPECT_LT(Number(said, "connect_last"), 2 * Number(said, "connect_first") + 1'000);
  const Json caps = Json::parse(Tool({"caps", "--format", "json"}).outcome.out, nullptr, false);
  ASSERT_EQ(caps["policies"].size(), 1u) << caps;
  EXPECT_EQ(caps["policies"][0]["use"], kMany) << caps["policies"][0];
}

// What does not fit is counted, and costs no more than what does.
TEST_F(Scale, MoreConnectionsThanTheLedgerHas) {
  auto process = Start({"connections", "20000"}, true, "[ledger]\nconnections = 4096\n");
  const Json said = Said(*process);
  Print("connect {:.0f} ns while there is room, {:.0f} ns beyond; query {:.0f} ns\n",
        Number(said, "connect_first"), Number(said, "connect_last"), Number(said, "query"));
  EXPECT_LT(Number(said, "connect_last"), 2 * Number(said, "connect_first") + 1'000);
  Looked looked;
  const Json report = Report({"--no-scan"}, &looked);
  EXPECT_EQ(TotalsOf(report).open, 4'096u);
  EXPECT_EQ(report["processes"][0]["unrecorded"], 20'000 - 4'096 + 5'000);
}

void ExpectStacks(const Json& said, const Json& report, size_t count, size_t frames) {
  ASSERT_TRUE(report.is_object());
  EXPECT_EQ(report["call_sites"].size(), count);
  size_t fewest = SIZE_MAX, without = 0;
  for (const Json& site : report["call_sites"]) {
    // A report shows so many frames and no more.
    if (site["frames"].empty()) {
      ++without;
    } else {
      fewest = std::min(fewest, site["frames"].size());
    }
    if (site["open"] != 1 || site["opened_total"] != 2) {
      ADD_FAILURE() << "a call site with " << site["open"] << " open, " << site["opened_total"]
                    << " opened";
      break;
    }
  }
  EXPECT_GE(fewest, frames);
  EXPECT_LT(fewest, SIZE_MAX);
  const std::string said_without = std::to_string(without) + " call sites are shown without";
  if (without != 0) {
    EXPECT_NE(report["incomplete"].dump().find(said_without), std::string::npos);
  }
  EXPECT_LT(Number(said, "known"), 3 * Number(said, "new_first") + 2'000);
}

class Stacks : public Scale {
 protected:
  // Ten thousand of `frames` frames each. The report takes less than `seconds` of a processor.
  void TenThousand(uint64_t frames, const std::string& config, double seconds) {
    auto process = Start({"stacks", "10000", std::to_string(frames)}, true,
                         config + "[ledger]\ncall_sites = 16384\nconnections = 16384\n");
    const Json said = Said(*process);
    Looked looked;
    const Json report = Report({"--no-scan"}, &looked);
    Print(
        "a new stack {:.0f} ns among the first, {:.0f} ns among the last; a known one {:.0f} ns "
        "(with finish); ledger {} KiB; resident {:.0f} KiB; report {:.2f} s, {:.0f} MB\n",
        Number(said, "new_first"), Number(said, "new_last"), Number(said, "known"),
        LedgerBytes() >> 10, Number(said, "resident") / 1024, looked.seconds,
        static_cast<double>(looked.resident) / 1e6);
    ExpectStacks(said, report, 10'000, frames);
    EXPECT_LT(Number(said, "new_last"), 3 * Number(said, "new_first") + 2'000);
    EXPECT_LT(looked.processor, seconds);
  }
};

TEST_F(Stacks, OfTwentyFrames) { TenThousand(20, "", 30); }
TEST_F(Stacks, OfTwoHundredFrames) { TenThousand(200, "stack_depth = 256\n", 60); }

TEST_F(Scale, FiveHundredModules) {
  constexpr int kModules = 500;
  const std::string modules = directory_ / "modules";
  std::filesystem::create_directory(modules);
  for (int i = 0; i < kModules; ++i)
    std::filesystem::copy_file(PQLEASH_TEST_MODULE, fmt::format("{}/{}.so", modules, i));
  auto process = Start({"modules", modules, std::to_string(kModules)});
  const Json said = Said(*process);
  Looked looked;
  const Json report = Report({"--no-scan"}, &looked);
  Print(
      "connect through a module loaded just now {:.0f} µs among the first, {:.0f} µs among the "
      "last; through a known one "
      "{:.0f} ns; ledger {} KiB; report {:.2f} s, {:.0f} MB\n",
      Number(said, "new_first") / 1e3, Number(said, "new_last") / 1e3, Number(said, "known"),
      LedgerBytes() >> 10, looked.seconds, static_cast<double>(looked.resident) / 1e6);
  EXPECT_EQ(report["call_sites"].size(), static_cast<size_t>(kModules));
  EXPECT_EQ(TotalsOf(report).open, static_cast<uint64_t>(kModules));
  // All modules are looked at anew when one was loaded, twenty times as many in the end as among
  // the first; what is known is not looked at.
  EXPECT_LT(Number(said, "new_last"), 100 * Number(said, "new_first"));
  EXPECT_LT(Number(said, "known"), 0.5 * Number(said, "new_first"));
  EXPECT_LT(looked.processor, 30);
}

TEST_F(Scale, FiveThousandProcesses) {
  constexpr int kProcesses = 5'000;
  auto process = Start({"processes", std::to_string(kProcesses)});
  const Json said = Said(*process);
  size_t files = 0;
  const uint64_t bytes = LedgerBytes(&files);
  const Looked list = Tool({"ps", "--format", "json"});
  Looked looked;
  const Json report = Report({"--no-scan"}, &looked);
  Print(
      "a process's first connect {:.0f} µs among the first, {:.0f} µs among the last; ledgers {} "
      "KiB each; ps {:.2f} s, "
      "{:.0f} MB; report {:.2f} s, {:.0f} MB\n",
      Number(said, "connect_first") / 1e3, Number(said, "connect_last") / 1e3, bytes / files >> 10,
      list.seconds, static_cast<double>(list.resident) / 1e6, looked.seconds,
      static_cast<double>(looked.resident) / 1e6);
  EXPECT_EQ(files, static_cast<size_t>(kProcesses));
  EXPECT_EQ(Json::parse(list.outcome.out)["processes"].size(), static_cast<size_t>(kProcesses));
  const Totals totals = TotalsOf(report);
  EXPECT_EQ(totals.processes, static_cast<uint64_t>(kProcesses));
  EXPECT_EQ(totals.open, static_cast<uint64_t>(kProcesses));
  EXPECT_EQ(report["call_sites"].size(), 1u);
  EXPECT_LT(Number(said, "connect_last"), 3 * Number(said, "connect_first") + 1e6);
  EXPECT_LT(list.processor, 30);
  EXPECT_LT(looked.processor, 60);
}

// --- 64 threads ----------------------------------------------------------------------------------

struct Throughput {
  double bare = 0;
  double preloaded = 0;
};

class Threads : public Scale {
 protected:
  double PerSecond(int threads, int milliseconds, const std::string& conninfo, bool preloaded) {
    auto process = Start(
        {"threads", std::to_string(threads), std::to_string(milliseconds), conninfo}, preloaded);
    const double per_second = Number(Said(*process), "per_second");
    if (preloaded) {
      Looked looked;
      for (const Json& one : Report({"--no-scan"}, &looked)["processes"])
        EXPECT_EQ(one["unrecorded"], 0);
    }
    return per_second;
  }

  // In turns; the pair whose ratio is the median.
  Throughput Compare(int threads, const std::string& conninfo) {
    std::vector<Throughput> rounds;
    for (int round = 0; round < 5; ++round) {
      Throughput one;
      for (const bool preloaded : {round % 2 == 0, round % 2 != 0})
        (preloaded ? one.preloaded : one.bare) = PerSecond(threads, 400, conninfo, preloaded);
      rounds.push_back(one);
    }
    std::sort(rounds.begin(), rounds.end(), [](const Throughput& a, const Throughput& b) {
      return a.preloaded / a.bare < b.preloaded / b.bare;
    });
    return rounds[rounds.size() / 2];
  }
};

TEST_F(Threads, SixtyFourConnectAtOnce) {
  const std::pair<const char*, const char*> kinds[] = {
      {"100 µs of work of its own thread", "standin_work_us=100"},
      {"1 ms of work of its own thread", "standin_work_us=1000"},
      {"1 ms of waiting", "standin_hang_ms=1"},
  };
  for (const auto& [name, conninfo] : kinds) {
    // A machine that is busy with something else gets another chance; a lock that is held does not
    // get better by it.
    double share = 0;
    for (int attempt = 0; attempt < 3 && share < 0.9; ++attempt) {
      const Throughput one = Compare(64, conninfo);
      share = one.preloaded / one.bare;
      Print("64 threads, each connect {}: bare {:.0f} a second, preloaded {:.0f} ({:.3f})\n", name,
            one.bare, one.preloaded, share);
    }
    EXPECT_GE(share, 0.9) << name;
  }
}

// A connect that takes no time at all: what the library's own tables can do. Not a share of bare,
// which does nothing; but threads must not stand in each other's way.
TEST_F(Threads, ContendForTheTables) {
  const Throughput alone = Compare(1, "");
  const Throughput all = Compare(64, "");
  Print(
      "connects and finishes a second on a libpq that does nothing: bare {:.0f} with one thread, "
      "{:.0f} with 64; preloaded {:.0f} with one, {:.0f} with 64 ({:.2f} of one)\n",
      alone.bare, all.bare, alone.preloaded, all.preloaded, all.preloaded / alone.preloaded);
  EXPECT_GE(all.preloaded, 0.4 * alone.preloaded);
}

}  // namespace
}  // namespace pqleash::testing
