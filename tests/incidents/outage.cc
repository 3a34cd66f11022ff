// SPDX-License-Identifier: Apache-2.0

#include "tests/incidents/outage.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kTries = 30;  // of the clients, that a share is made of
constexpr int kCappedTries = 60;
constexpr seconds kOutageLimit{40};
constexpr seconds kFindingLimit{30};
constexpr seconds kProgramLimit{280};
constexpr size_t kUsualPeriods = 6;  // of ten seconds, before a spike

Command Long(Command command) {
  command.limit = kProgramLimit;
  return command;
}

// Nobody but us is connected: what a killed program left is gone.
void WaitForEmptyServer() {
  const bool empty = WaitUntil(
      [] {
        const Outcome outcome = RunToEnd(
            {.arguments = {"psql", "-XAtqc",
                           "select count(*) from pg_stat_activity where backend_type = 'client "
                           "backend' and pid <> pg_backend_pid()"}});
        return outcome.out == "0\n";
      },
      seconds(30));
  ASSERT_TRUE(empty) << "connections are left on the server";
}

// The service and the clients that it is to leave alone.
class Scene {
 public:
  Scene(const Incident& incident, Command service)
      : incident_(incident),
        bystander_(Long({.arguments = {PQLEASH_TEST_BYSTANDER},
                         .environment = {{"LD_PRELOAD", std::nullopt}}})),
        service_(Long(std::move(service))) {}

  Worker& service() { return service_; }
  Worker& bystander() { return bystander_; }
  Worker& clients() { return incident_.own_clients ? service_ : bystander_; }

  bool Until(const std::function<bool()>& condition, milliseconds limit) {
    return ReadUntil({&bystander_, &service_}, condition, limit);
  }

  // The fault begins.
  void Begin() {
    if (incident_.by_signal) {
      ASSERT_TRUE(Until([&] { return service_.HasSaid("serving"); }, seconds(20)));
      service_.Signal(SIGUSR1);
    }
    ASSERT_TRUE(Until([&] { return service_.HasSaid("onset"); }, seconds(20)))
        << incident_.name << " does not work";
  }

  // The share of the clients' tries that succeed once the first has failed.
  double ShareInOutage() {
    const bool outage =
        clients().failed() != 0 || Until([&] { return clients().failed() != 0; }, kOutageLimit);
    EXPECT_TRUE(outage) << incident_.name << ": nobody fails: there is no outage";
    clients().Mark();
    Until([&] { return clients().tried() >= kTries; }, seconds(60));
    return clients().Share();
  }

 private:
  const Incident& incident_;
  Worker bystander_;
  Worker service_;
};

// Whether a finding is of the right code. One without a call site accuses nobody.
bool IsOfThePlace(const Incident& incident, const Json& report, const Json& finding) {
  if (finding["call_site"].is_null()) return true;
  for (const Json& site : report["call_sites"]) {
    if (site["id"] == finding["call_site"]) return !FrameIn(site, incident.function).is_null();
  }
  return false;
}

// The kinds in the order of the report, for messages.
std::string Findings(const Json& report) {
  std::string text;
  if (!report.is_object()) return "no report";
  for (const Json& finding : report["findings"]) {
    text += finding["kind"].get<std::string>() + ": " + finding["summary"].get<std::string>() +
            "\n    " + finding["evidence"].dump() + "\n";
  }
  return text.empty() ? "no finding" : text;
}

void LookForTheCause(const Incident& incident, const Observed& observed, Scene* scene,
                     Result* result) {
  const Clock::time_point onset = Clock::now();
  Json report;
  while (Clock::now() - onset < kFindingLimit) {
    report = observed.Report();
    if (!report.is_object()) return;
    const double elapsed = Seconds(Clock::now() - onset).count();
    for (const Json& finding : report["findings"]) {
      const std::string kind = finding["kind"];
      const bool right = IsOfThePlace(incident, report, finding);
      result->kinds_seen.insert(right ? kind : kind + " elsewhere");
    }
    if (!report["findings"].empty()) {
      const Json& first = report["findings"][0];
      const bool right = !first["call_site"].is_null() && IsOfThePlace(incident, report, first);
      const bool cause = incident.kinds.count(first["kind"].get<std::string>()) != 0;
      const bool alarm = right && (cause || first["kind"] == "server-full");
      if (alarm && result->line_seconds == 0) result->line_seconds = elapsed;
      if (right && cause) {
        result->kind = first["kind"];
        result->seconds = elapsed;
        result->verdict = report["answer"]["verdict"];
        result->sentence = report["answer"]["sentence"];
        break;
      }
    }
    scene->Until([] { return false; }, milliseconds(800));
  }
  EXPECT_NE(result->kind, "") << incident.name << " is not named within 30 s; the report says\n"
                              << Findings(report);
  if (!result->kind.empty()) {
    EXPECT_EQ(incident.verdicts.count(result->verdict), 1u) << result->sentence;
  }
}

struct Proposal {
  std::string toml;
  Json json;
};

Proposal Advised(const Incident& incident, const Observed& observed) {
  const Outcome toml = observed.Tool({"advise", "--service", incident.name, "--format", "toml"});
  EXPECT_EQ(toml.exit_code, 0) << toml.err;
  const Outcome json = observed.Tool({"advise", "--service", incident.name, "--format", "json"});
  EXPECT_EQ(json.exit_code, 0) << json.err;
  Proposal proposal{toml.out, Json::parse(json.out, nullptr, false)};
  EXPECT_FALSE(proposal.json.is_discarded());
  const bool proposes = proposal.json.is_object() && !proposal.json["services"].empty() &&
                        !proposal.json["services"][0]["caps"].empty();
  EXPECT_TRUE(proposes) << "nothing is proposed:\n" << json.out;
  if (!proposes) proposal.json = nullptr;
  return proposal;
}

Command Preloaded(const Incident& incident, const Observed& observed) {
  Command command = observed.Preloaded(ProgramOf(incident.name));
  command.environment["PQLEASH_SERVICE"] = incident.name;
  return command;
}

void ReplayBare(const Incident& incident, Result* result) {
  Scene scene(incident, {.arguments = ProgramOf(incident.name),
                         .environment = {{"LD_PRELOAD", std::nullopt}}});
  ASSERT_NO_FATAL_FAILURE(scene.Begin());
  result->bare = scene.ShareInOutage();
}

Proposal ReplayObserved(const Incident& incident, Result* result) {
  const Observed observed;
  Scene scene(incident, Preloaded(incident, observed));
  if (incident.by_signal) {
    // The history is to show what is usual.
    const bool usual = scene.Until(
        [&] {
          const Json report = observed.Report();
          return report.is_object() && !report["processes"].empty() &&
                 report["processes"][0]["history"].size() >= kUsualPeriods;
        },
        seconds(90));
    EXPECT_TRUE(usual) << "there is no history";
  }
  scene.Begin();
  LookForTheCause(incident, observed, &scene, result);
  result->observed = scene.ShareInOutage();
  return Advised(incident, observed);
}

void ReplayCapped(const Incident& incident, const Proposal& proposal, Result* result) {
  const Observed observed;
  const std::string file = observed.file("advised.toml");
  std::ofstream(file) << proposal.toml;
  const Outcome checked = observed.Tool({"check", file});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err << proposal.toml;
  for (const Json& cap : proposal.json["services"][0]["caps"]) {
    const std::string scope = cap["call_site"].is_null() ? cap["scope"] : Json("call site");
    result->limits +=
        (result->limits.empty() ? "" : ", ") + cap["limit"].dump() + " (" + scope + ")";
  }
  Command command = Preloaded(incident, observed);
  command.environment["PQLEASH_CONFIG"] = file;
  command.environment["PQLEASH_LOG"] = observed.file("log");
  // Where the service's own pool is the limit, it has to be told, too.
  const Json& limit = proposal.json["services"][0]["caps"][0]["limit"];
  command.environment["POOL_SIZE"] = limit.dump();
  Scene scene(incident, command);
  ASSERT_NO_FATAL_FAILURE(scene.Begin());
  scene.Until([&] { return scene.clients().tried() >= kCappedTries; }, seconds(60));
  result->capped = scene.clients().Share();
  result->own_capped = scene.service().Share();
  EXPECT_EQ(scene.clients().failed(), 0)
      << incident.name << ": " << scene.clients().last_failure() << '\n'
      << proposal.toml;
  EXPECT_GE(scene.clients().tried(), kCappedTries);
  EXPECT_EQ(scene.bystander().failed(), 0) << scene.bystander().last_failure();
  EXPECT_GT(scene.service().done(), 0)
      << "the service itself gets nothing done under its caps: " << scene.service().last_failure();
}

}  // namespace

void Worker::Read() {
  process_->ReadMore();
  const std::string& output = process_->output();
  for (size_t end; (end = output.find('\n', read_)) != std::string::npos; read_ = end + 1) {
    const std::string line = output.substr(read_, end - read_);
    if (line == "done") {
      ++done_;
    } else if (line.starts_with("failed: ")) {
      ++failed_;
      last_failure_ = line;
    } else {
      said_.insert(line);
    }
  }
}

bool ReadUntil(const std::vector<Worker*>& workers, const std::function<bool()>& condition,
               milliseconds limit) {
  const Clock::time_point end = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() >= end) return false;
    for (Worker* worker : workers) worker->Read();
  }
  return true;
}

Words ProgramOf(const std::string& name) {
  for (const std::string directory :
       {PQLEASH_TEST_INCIDENTS "/programs/", PQLEASH_TEST_INCIDENTS "/healthy/"}) {
    const std::string script = directory + name + ".py";
    if (std::filesystem::exists(script)) return {"/usr/bin/python3", script};
  }
  return {PQLEASH_TEST_PROGRAMS "/" + name};
}

void Record(const Json& json) {
  if (const char* file = std::getenv("PQLEASH_TEST_RESULTS")) {
    std::ofstream(file, std::ios::app) << json.dump() << '\n';
  }
}

Result Replay(const Incident& incident) {
  Result result;
  WaitForEmptyServer();
  ReplayBare(incident, &result);
  EXPECT_LT(result.bare, incident.worst_bare) << incident.name << ": that is no outage";
  WaitForEmptyServer();
  const Proposal proposal = ReplayObserved(incident, &result);
  for (const std::string& kind : result.kinds_seen) {
    EXPECT_TRUE(incident.kinds.count(kind) != 0 || incident.consequences.count(kind) != 0)
        << kind << " is no fault of " << incident.name;
  }
  WaitForEmptyServer();
  if (proposal.json.is_object()) ReplayCapped(incident, proposal, &result);
  Record({{"incident", incident.name},
          {"right", incident.kinds},
          {"consequences", incident.consequences},
          {"kind", result.kind},
          {"seconds", result.seconds},
          {"line_seconds", result.line_seconds},
          {"own_capped", result.own_capped},
          {"verdict", result.verdict},
          {"sentence", result.sentence},
          {"seen", result.kinds_seen},
          {"limits", result.limits},
          {"clients", incident.own_clients ? "its own logins" : "bystander"},
          {"bare", result.bare},
          {"observed", result.observed},
          {"capped", result.capped}});
  return result;
}

}  // namespace pqleash::testing
