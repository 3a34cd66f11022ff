// SPDX-License-Identifier: Apache-2.0
//
// Every client of libpq is covered: it behaves as without us, each of its connections is counted,
// and the report names the line of its user's code that leaks. To be run by scripts/with-postgres,
// one client a server.

#include "tests/clients/clients.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "tests/clients/compatibility.h"
#include "tests/clients/program_source.h"
#include "tests/e2e/observed.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

// A text of a JSON value that may be null.
std::string Text(const Json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_string() ? value->get<std::string>() : "";
}

// Letters alone, so that 'looked-up' and 'looked_up' are the same word.
std::string Letters(const std::string& text) {
  std::string letters;
  for (const char c : text) {
    if (isalpha(static_cast<unsigned char>(c)) != 0) letters += c;
  }
  return letters;
}

std::string WithoutNumbers(const std::string& text) {
  return std::regex_replace(text, std::regex("[0-9]+(\\.[0-9]+)?"), "N");
}

bool IsInstalledPath(const std::string& path) {
  return path.starts_with("/usr/") || path.starts_with("/lib");
}

// Interpreters, drivers and their modules are under /usr and /lib, and so are the headers whose
// inline functions are compiled into the user's program. The user's code is not.
bool IsInstalled(const Json& frame) {
  const std::string file = Text(frame, "file");
  const std::string module = Text(frame, "module");
  if (Text(frame, "language") != "native") return file.empty() || IsInstalledPath(file);
  return module.empty() || IsInstalledPath(module) || IsInstalledPath(file);
}

Json FirstApplicationFrame(const Json& call_site) {
  const Json& frames = call_site["frames"];
  const auto frame =
      std::find_if(frames.begin(), frames.end(), [](const Json& f) { return !IsInstalled(f); });
  return frame == frames.end() ? Json() : *frame;
}

std::string Describe(const Json& frame) {
  if (!frame.is_object()) return "";
  return Text(frame, "function") + " (" +
         std::filesystem::path(Text(frame, "file")).filename().string() + ":" +
         frame["line"].dump() + ")";
}

// A line for each frame, innermost first.
std::string ShowFrames(const Json& call_site) {
  std::string lines;
  for (const Json& frame : call_site["frames"]) {
    lines += "\n  " + Text(frame, "language") + " " + Text(frame, "function") + " (" +
             Text(frame, "file") + ":" + frame["line"].dump() + ") in " + Text(frame, "module");
  }
  return lines;
}

std::string ShowCallSites(const Json& report) {
  std::string lines;
  for (const Json& site : report["call_sites"]) {
    lines += "\n" + site["open"].dump() + " open, " + site["opened_total"].dump() + " opened, " +
             site["closed_total"].dump() + " closed" + ShowFrames(site);
  }
  return lines;
}

std::vector<Counts> CountsOf(const Json& report) {
  std::vector<Counts> all;
  for (const Json& process : report["processes"]) {
    const Counts counts = {process["open"], process["opened_total"], process["closed_total"]};
    // A child that only inherited connections has none of its own.
    if (counts != Counts()) all.push_back(counts);
  }
  std::sort(all.begin(), all.end());
  return all;
}

class Covered : public ::testing::TestWithParam<std::pair<int, Client>> {
 protected:
  const Client& client() const { return GetParam().second; }

  void SetUp() override {
    ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
    row_.title = client().title;
    row_.package = client().package;
    row_.way = NameOf(client().way);
    row_.has_headline = !client().source.empty();
    row_.installed = Succeeds(client().installed);
    if (!row_.installed) GTEST_SKIP() << client().package << " is not installed";
  }

  void TearDown() override { AppendRow(GetParam().first, row_); }

  // `run` names the directory that stands for '@'.
  Words WordsOf(const std::string& run) const {
    const std::string directory = observed_.file(run);
    std::filesystem::create_directory(directory);
    Words words = client().command;
    for (std::string& word : words) {
      if (word.starts_with('@')) word.replace(0, 1, directory);
    }
    return words;
  }

  // Nothing is left in the sources' directory.
  static Command Tidy(Command command) {
    command.environment["PYTHONDONTWRITEBYTECODE"] = "1";
    return command;
  }

  Command Bare() const {
    return Tidy({.arguments = WordsOf("bare"),
                 .environment = {{"LD_PRELOAD", std::nullopt}},
                 .input = "\n"});
  }

  Command Preloaded() const {
    Command command = Tidy(observed_.Preloaded(WordsOf("preloaded")));
    command.hold_input = client().waits;
    return command;
  }

  static std::string AskServer(const std::string& what) {
    return Psql("SELECT " + what +
                " FROM pg_stat_activity WHERE application_name = 'report_service'");
  }

  // The server notices the end of a session a moment after its client.
  static AssertionResult ServerHas(uint64_t sessions) {
    const std::string wanted = std::to_string(sessions);
    if (WaitUntil([&] { return AskServer("count(*)") == wanted; })) return AssertionSuccess();
    return AssertionFailure() << "the server has " << AskServer("count(*)") << " sessions, not "
                              << wanted;
  }

  AssertionResult CountsAreRight(const Json& report) const {
    const std::vector<Counts> counts = CountsOf(report);
    if (counts == client().processes) return AssertionSuccess();
    return AssertionFailure() << "counted " << ::testing::PrintToString(counts) << ", expected "
                              << ::testing::PrintToString(client().processes);
  }

  uint64_t Leaked() const {
    uint64_t leaked = 0;
    for (const Counts& counts : client().processes) leaked += counts.open;
    return leaked;
  }

  // The one call site that holds connections; null where there is none, or several.
  Json Leak(const Json& report) const {
    Json leak;
    for (const Json& site : report["call_sites"]) {
      if (site["open"] == 0) continue;
      if (!leak.is_null()) return nullptr;
      leak = site;
    }
    return leak;
  }

  AssertionResult HeadlineIsRight(const Json& leak) const {
    const Json frame = FirstApplicationFrame(leak);
    const int line = LeakLine(std::string(PQLEASH_TEST_CLIENT_SOURCES) + "/" + client().source);
    if (line < 0) return AssertionFailure() << client().source << " needs one line with LEAK";
    if (frame.is_null()) return AssertionFailure() << "no frame of the application";
    if (Text(frame, "function").find(client().function) != std::string::npos &&
        Text(frame, "file").ends_with("/programs/" + client().source) && frame["line"] == line &&
        Text(frame, "language") == client().language) {
      return AssertionSuccess();
    }
    return AssertionFailure() << "named " << frame.dump() << ", expected " << client().function
                              << " in line " << line << " of " << client().source;
  }

  // What people read: the same place, in words.
  AssertionResult TextNamesThePlace() const {
    const Outcome text = observed_.Tool({"report"});
    const int line = LeakLine(std::string(PQLEASH_TEST_CLIENT_SOURCES) + "/" + client().source);
    const std::string place = "/programs/" + client().source + ":" + std::to_string(line) + ")";
    std::istringstream lines(text.out);
    for (std::string one; std::getline(lines, one);) {
      if (one.find(client().function) != std::string::npos && one.find(place) != std::string::npos)
        return AssertionSuccess();
    }
    return AssertionFailure() << "no line with " << client().function << " and " << place;
  }

  void ExpectPlace(const Json& report, const Json& leak) {
    if (!client().module.empty()) {
      const std::string module = Text(leak["frames"][0], "module");
      EXPECT_TRUE(std::regex_search(module, std::regex(client().module))) << module;
      return;
    }
    row_.place = Describe(FirstApplicationFrame(leak));
    const AssertionResult right = HeadlineIsRight(leak);
    EXPECT_TRUE(right) << ShowFrames(leak);
    const AssertionResult told = TextNamesThePlace();
    EXPECT_TRUE(told);
    row_.headline = right && told;
    const Json closed = CallSiteIn(report, client().closing_function);
    ASSERT_FALSE(closed.is_null()) << "no call site in " << client().closing_function;
    EXPECT_EQ(closed["open"], 0);
  }

  // Each connection that is said to be open is one that the server has, in the state that it says.
  void ExpectConnections(const Json& leak, pid_t pid) const {
    std::set<int> backends;
    uint64_t own = 0;
    for (const Json& connection : leak["connections"]) {
      if (connection["state"] == "inherited") continue;  // a copy in a child
      ++own;
      if (client().processes.size() == 1) {
        EXPECT_EQ(connection["pid"], pid);
      }
      EXPECT_EQ(connection["application_name"], "report_service");
      EXPECT_EQ(connection["host"], getenv(client().host.c_str()));
      EXPECT_EQ(connection["dbname"], getenv("PGDATABASE"));
      EXPECT_EQ(connection["user"], getenv("PGUSER"));
      EXPECT_EQ(connection["port"], atoi(getenv("PGPORT")));  // NOLINT(cert-err34-c)
      if (client().sessions != Leaked()) continue;  // of one that is gone nothing more is certain
      EXPECT_EQ(connection["state"], "established");
      EXPECT_EQ(connection["transaction"], "idle");
      backends.insert(connection["backend_pid"].get<int>());
    }
    EXPECT_EQ(own, Leaked());
    if (client().sessions != Leaked()) return;
    std::string pids;
    for (const int backend : backends) pids += (pids.empty() ? "" : ",") + std::to_string(backend);
    EXPECT_EQ(AskServer("string_agg(pid::text, ',' ORDER BY pid)"), pids);
    EXPECT_EQ(AskServer("string_agg(DISTINCT state, ',')"), "idle");
  }

  void ExpectCoverage(const Json& report) const {
    for (const Json& process : report["processes"]) {
      if (process["opened_total"] == 0) continue;
      EXPECT_EQ(process["unrecorded"], 0);
      EXPECT_EQ(process["coverage"]["bypassed_calls"], 0);
      EXPECT_FALSE(process["coverage"]["copies"].empty());
      for (const Json& libpq : process["coverage"]["copies"]) {
        EXPECT_NE(Letters(libpq["ways"].dump()).find(Letters(NameOf(client().way))),
                  std::string::npos)
            << libpq << " was expected to be " << NameOf(client().way);
      }
    }
  }

  void ExpectFinding(const Json& leak) const {
    if (client().finding.empty()) return;
    const Json report = observed_.Report({"--min-age", "0s", "--min-idle", "0s"});
    const Json finding = FindingOf(report, client().finding);
    ASSERT_FALSE(finding.is_null()) << "no finding " << client().finding;
    EXPECT_EQ(finding["call_site"], leak["id"]) << finding.dump(1);
  }

  // While the program, with this process id, waits.
  void Look(pid_t pid) {
    EXPECT_TRUE(ServerHas(client().sessions));
    const Json report = observed_.Report();
    ASSERT_TRUE(report.is_object());
    ExpectCounts(report);
    ExpectCoverage(report);
    const Json leak = Leak(report);
    ASSERT_FALSE(leak.is_null()) << "not one call site with open connections: "
                                 << ShowCallSites(report);
    EXPECT_EQ(leak["open"], Leaked());
    ExpectConnections(leak, pid);
    ExpectPlace(report, leak);
    ExpectFinding(leak);
  }

  void ExpectCounts(const Json& report) {
    const AssertionResult right = CountsAreRight(report);
    row_.counts = right;
    EXPECT_TRUE(right);
  }

  void ExpectSame(const Outcome& bare, const Outcome& preloaded) {
    const auto shown = [&](const std::string& text) {
      return client().same_numbers ? text : WithoutNumbers(text);
    };
    EXPECT_EQ(bare.exit_code, 0) << HowItEnded(bare) << '\n' << bare.err;
    EXPECT_EQ(HowItEnded(preloaded), HowItEnded(bare));
    EXPECT_EQ(shown(preloaded.out), shown(bare.out));
    EXPECT_EQ(shown(preloaded.err), shown(bare.err));
    row_.behaviour = HowItEnded(preloaded) == HowItEnded(bare) &&
                     shown(preloaded.out) == shown(bare.out) &&
                     shown(preloaded.err) == shown(bare.err);
  }

  Observed observed_;
  Compatibility row_;
};

TEST_P(Covered, AndBehavesAsBare) {
  if (!client().schema.empty()) Psql(client().schema);
  const Outcome bare = RunToEnd(Bare());
  ASSERT_TRUE(ServerHas(0)) << "after the bare run";
  Subprocess process(Preloaded());
  if (client().waits) {
    ASSERT_TRUE(process.WaitForOutput("ready")) << bare.out << bare.err;
    Look(process.pid());
    process.CloseInput();
  }
  ExpectSame(bare, process.Wait());
  if (!client().waits) ExpectCounts(observed_.Report());
  EXPECT_TRUE(ServerHas(0)) << "after the preloaded run";
}

std::string Name(const ::testing::TestParamInfo<std::pair<int, Client>>& info) {
  return info.param.second.name;
}

std::vector<std::pair<int, Client>> Numbered() {
  std::vector<std::pair<int, Client>> numbered;
  for (const Client& client : Clients()) {
    numbered.emplace_back(static_cast<int>(numbered.size()), client);
  }
  return numbered;
}

INSTANTIATE_TEST_SUITE_P(Client, Covered, ::testing::ValuesIn(Numbered()), Name);

}  // namespace
}  // namespace pqleash::testing
