// SPDX-License-Identifier: Apache-2.0
//
// Each host of HOSTS.md, bare and in every way of being preloaded: the same output, end and files.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/preload/host_catalogue.h"
#include "tests/preload/host_table.h"
#include "tests/preload/ledger_totals.h"
#include "tests/preload/trial.h"
#include "tests/support/subprocess.h"

namespace pqleash::testing {
namespace {

enum class Way { kBare, kPreloaded, kDisabled, kNothingIntercepted, kLinkerAlone, kCapped };

struct Preloading {
  Way way;
  const char* name;
  std::map<std::string, std::string> settings;
  bool observes;
  bool counts;  // all that the host opens
};

const std::vector<Preloading>& Ways() {
  static const std::vector<Preloading> kWays = {
      {Way::kPreloaded, "preloaded", {}, true, true},
      {Way::kDisabled, "disabled", {{"PQLEASH_DISABLE", "1"}}, false, false},
      {Way::kNothingIntercepted,
       "PQLEASH_INTERCEPT=none",
       {{"PQLEASH_INTERCEPT", "none"}},
       false,
       false},
      // What the linker binds to us by itself is observed, the rest is not.
      {Way::kLinkerAlone,
       "PQLEASH_INTERCEPT=linker",
       {{"PQLEASH_INTERCEPT", "linker"}},
       true,
       false},
      // A limit that no host comes near.
      {Way::kCapped,
       "capped",
       {{"PQLEASH_LIMIT", "100000"}, {"PQLEASH_ON_LIMIT", "wait"}, {"PQLEASH_WAIT_TIMEOUT", "20s"}},
       true,
       true},
  };
  return kWays;
}

// What a file is and holds, by its path below the directory.
std::map<std::string, std::string> FilesBelow(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    std::ostringstream what;
    what << static_cast<int>(entry.symlink_status().type()) << ' ' << std::oct
         << static_cast<int>(entry.symlink_status().permissions()) << ' ';
    if (entry.is_regular_file() && !entry.is_symlink()) {
      what << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    }
    files[entry.path().lexically_relative(directory)] = what.str();
  }
  return files;
}

std::string Joined(const std::vector<std::string>& words, char separator) {
  std::string joined;
  for (const std::string& word : words)
    joined += (joined.empty() ? "" : std::string(1, separator)) + word;
  return joined;
}

// A '@' at the begin stands for the directory of the programs.
std::string InPrograms(const std::string& word) {
  return word.starts_with("@/") ? PQLEASH_TEST_PROGRAMS + word.substr(1) : word;
}

Command CommandOf(const Host& host, const Trial& trial, Way way) {
  std::vector<std::string> words = host.command;
  if (words.empty()) {
    std::istringstream stream(host.program);
    for (std::string word; stream >> word;) words.push_back(word);
  }
  for (std::string& word : words) word = InPrograms(word);
  Command command = trial.Bare(words);
  command.limit = std::chrono::seconds(40);
  for (const auto& [name, value] : host.environment) {
    command.environment[name] =
        value.starts_with('@') ? trial.path().string() + value.substr(1) : value;
  }
  std::vector<std::string> preloads = host.before;
  if (way != Way::kBare) preloads.emplace_back(PQLEASH_TEST_LIBRARY);
  preloads.insert(preloads.end(), host.after.begin(), host.after.end());
  if (!preloads.empty()) command.environment["LD_PRELOAD"] = Joined(preloads, ':');
  if (way == Way::kBare) return command;
  command.environment["PQLEASH_DIR"] = trial.ledgers();
  for (const Preloading& preloading : Ways()) {
    if (preloading.way != way) continue;
    for (const auto& [name, value] : preloading.settings) command.environment[name] = value;
  }
  return command;
}

void ExpectLedgers(const Host& host, const Preloading& preloading, const Trial& trial) {
  if (!preloading.observes) {
    EXPECT_FALSE(std::filesystem::exists(trial.ledgers())) << "something was written";
    return;
  }
  const LedgerTotals totals = ReadLedgerTotals(trial.ledgers());
  for (const std::string& fault : totals.faults) ADD_FAILURE() << fault;
  if (host.opened == kAny || !preloading.counts) return;
  EXPECT_EQ(totals.ledgers > 0, host.opened != kNoLedger) << totals.ledgers << " ledgers";
  if (host.opened != kNoLedger) {
    EXPECT_EQ(totals.opened, static_cast<uint64_t>(host.opened));
  }
}

// What the host needs and the machine lacks; "": nothing.
std::string Missing(const Host& host) {
  std::vector<std::string> files = host.before;
  files.insert(files.end(), host.after.begin(), host.after.end());
  if (!host.command.empty()) files.push_back(InPrograms(host.command[0]));
  if (!host.needs.empty()) files.push_back(host.needs);
  for (const std::string& file : files) {
    if (file.starts_with('/') && !std::filesystem::exists(file)) return file + " is not installed";
  }
  return host.root && geteuid() != 0 ? "only root can do it" : "";
}

class HostCase : public ::testing::TestWithParam<Host> {
 protected:
  static void IsTheSameInEveryWay(const Host& host, Libpq libpq);
};

void HostCase::IsTheSameInEveryWay(const Host& host, Libpq libpq) {
  if (const std::string missing = Missing(host); !missing.empty()) GTEST_SKIP() << missing;
  const HostCatalogue catalogue(PQLEASH_TEST_HOSTS_MD);
  if (catalogue.KnownFault(host.program)) GTEST_SKIP() << "a known fault, see HOSTS.md";
  const Trial bare_trial(libpq);
  const Outcome bare = RunToEnd(CommandOf(host, bare_trial, Way::kBare));
  EXPECT_FALSE(bare.timed_out);
  const std::vector<std::string> ends = catalogue.BareEnds(host.program);
  EXPECT_NE(std::find(ends.begin(), ends.end(), HowItEnded(bare)), ends.end())
      << HowItEnded(bare) << ", but HOSTS.md: " << ::testing::PrintToString(ends) << bare.err
      << bare.out;
  RecordProperty("bare", HowItEnded(bare));
  const auto files = FilesBelow(bare_trial.path() / "work");
  for (const Preloading& preloading : Ways()) {
    SCOPED_TRACE(preloading.name);
    const Trial trial(libpq);
    const Outcome outcome = RunToEnd(CommandOf(host, trial, preloading.way));
    EXPECT_EQ(HowItEnded(outcome), HowItEnded(bare)) << outcome.err;
    EXPECT_EQ(outcome.out, bare.out);
    EXPECT_EQ(outcome.err, bare.err);
    EXPECT_EQ(FilesBelow(trial.path() / "work"), files);
    ExpectLedgers(host, preloading, trial);
  }
}

std::string CaseName(const ::testing::TestParamInfo<Host>& info) {
  std::string name = info.param.program;
  for (char& letter : name) {
    if (isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
  }
  return name;
}

TEST_P(HostCase, IsTheSameInEveryWay) { IsTheSameInEveryWay(GetParam(), Libpq::kStandin); }
INSTANTIATE_TEST_SUITE_P(Standin, HostCase, ::testing::ValuesIn(Hosts()), CaseName);

// Where the sockets, the signals and the buffers of the real libpq have a say.
class ServedHostCase : public HostCase {};
TEST_P(ServedHostCase, IsTheSameInEveryWay) {
  ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
  IsTheSameInEveryWay(GetParam(), Libpq::kPostgres);
}
INSTANTIATE_TEST_SUITE_P(Postgres, ServedHostCase, ::testing::ValuesIn(ServedHosts()), CaseName);

// --- HOSTS.md and the programs -------------------------------------------------------------------

TEST(Catalogue, EveryRowHasItsProgramAndEveryProgramItsRow) {
  const HostCatalogue catalogue(PQLEASH_TEST_HOSTS_MD);
  std::set<std::string> known;
  for (const Host& host : Hosts()) known.insert(host.program);
  for (const CatalogueRow& row : catalogue.rows()) {
    EXPECT_FALSE(row.hazard.empty()) << "row " << row.number;
    EXPECT_FALSE(row.seen.empty()) << "row " << row.number;
    if (row.tried()) {
      EXPECT_TRUE(std::any_of(known.begin(), known.end(),
                              [&](const std::string& name) { return row.Names(name); }))
          << "row " << row.number << " names a program that there is not: " << row.program;
    }
  }
  for (const std::string& name : known) {
    EXPECT_TRUE(
        std::any_of(catalogue.rows().begin(), catalogue.rows().end(),
                    [&](const CatalogueRow& row) { return row.tried() && row.Names(name); }))
        << "no row names " << name;
  }
}

TEST(Catalogue, EveryModeOfAProgramIsAHost) {
  std::set<std::string> known;
  for (const Host& host : Hosts()) known.insert(host.program);
  const HostCatalogue catalogue(PQLEASH_TEST_HOSTS_MD);
  for (const std::string& program : HostPrograms()) {
    const Trial trial(Libpq::kStandin);
    const Outcome outcome = RunToEnd(trial.Bare({program, "--modes"}));
    ASSERT_EQ(outcome.exit_code, 0) << program << ": " << HowItEnded(outcome) << outcome.err;
    std::istringstream modes(outcome.out);
    for (std::string mode; std::getline(modes, mode);) {
      const std::string name = program + " " + mode;
      EXPECT_TRUE(known.contains(name) || catalogue.KnownFault(name)) << name << " is no host";
    }
  }
}

TEST(Catalogue, IsLargeEnough) {
  const HostCatalogue catalogue(PQLEASH_TEST_HOSTS_MD);
  int expected = 0;
  int tried = 0;
  for (const CatalogueRow& row : catalogue.rows()) {
    EXPECT_EQ(row.number, ++expected) << "rows are numbered from 1 without a gap";
    tried += row.tried() ? 1 : 0;
  }
  EXPECT_GE(tried, kLeastRows);
}

}  // namespace
}  // namespace pqleash::testing
