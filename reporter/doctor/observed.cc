// SPDX-License-Identifier: Apache-2.0

#include "reporter/doctor/observed.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "reporter/launch/child.h"
#include "reporter/launch/preload.h"
#include "reporter/observe/collect.h"
#include "reporter/report/coverage.h"
#include "reporter/snapshot/absence.h"
#include "reporter/snapshot/names.h"
#include "reporter/snapshot/proc_files.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kMaxLog = 1 << 20;    // bytes
constexpr size_t kMaxLogProblems = 5;  // shown

template <typename Value>
bool Contains(const std::vector<Value>& values, const Value& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

uint64_t Connects(const Snapshot& snapshot) {
  return snapshot.totals.opened + snapshot.totals.failed;
}

void Append(std::vector<Check> more, std::vector<Check>* checks) {
  for (Check& check : more) checks->push_back(std::move(check));
}

Check JudgeInterpreter(const Snapshot& snapshot, Language language) {
  const std::string what = fmt::format("frames of {}", NameOf(language));
  if (Contains(snapshot.process.interpreters, language)) return Ok(what, "taken");
  if (Connects(snapshot) == 0) return Ok(what, "nothing to take yet: no connect was seen");
  return Warn(what, "none taken: stacks show the interpreter's native frames alone",
              "its version may not be known: PQLEASH_LOG=stderr says what the library found");
}

std::vector<Check> JudgeCopies(const Snapshot& snapshot, const MappedFiles& mapped) {
  std::vector<Check> checks;
  std::vector<std::string> seen;
  for (const LibpqCopy& copy : snapshot.libpq_copies) {
    seen.push_back(copy.path);
    checks.push_back(Ok("libpq", DescribeCopy(copy)));
  }
  for (const std::string& path : mapped.libpq) {
    if (Contains(seen, path)) continue;
    // The ledger may know it by a link to it.
    const auto same = [&](const std::string& known) {
      std::error_code error;
      return std::filesystem::equivalent(path, known, error) && !error;
    };
    if (std::any_of(seen.begin(), seen.end(), same)) continue;
    checks.push_back(Warn("libpq", fmt::format("{} is loaded, and no call of it was seen", path),
                          "it may not have been used yet; if it has, PQLEASH_INTERCEPT must not "
                          "switch dlsym or deepbind off"));
  }
  return checks;
}

Check JudgeAttachment(const Snapshot& snapshot) {
  constexpr char kWhat[] = "attach";
  const std::string since = UtcTime(snapshot.process.created_realtime_ns);
  switch (snapshot.process.attachment) {
    case Attachment::kBegun:
      return Warn(kWhat,
                  fmt::format("begun at {} and not finished: some calls may be missed", since),
                  fmt::format("`pqleash attach {}` finishes it", snapshot.process.visible_pid));
    case Attachment::kDetached:
      return Warn(kWhat, "detached: nothing is recorded any more",
                  fmt::format("`pqleash attach {}` attaches again", snapshot.process.visible_pid));
    default:
      break;
  }
  const auto adopted = std::count_if(
      snapshot.connections.begin(), snapshot.connections.end(),
      [](const Connection& connection) { return connection.adopted && IsOpen(connection); });
  return Ok(kWhat,
            fmt::format("attached since {}; {} that {} open before {} still open", since,
                        adopted == 1 ? "1 connection" : fmt::format("{} connections", adopted),
                        adopted == 1 ? "was" : "were", adopted == 1 ? "is" : "are"));
}

// The program cannot be blamed for what its environment forbids.
std::string DisabledBy() {
  const char* disable = std::getenv("PQLEASH_DISABLE");
  return disable != nullptr && std::strcmp(disable, "1") == 0 ? "PQLEASH_DISABLE=1 is set" : "";
}

std::string EndText(int wait_status) {
  if (WIFSIGNALED(wait_status)) return fmt::format("was ended by signal {}", WTERMSIG(wait_status));
  return fmt::format("exited with {}", WEXITSTATUS(wait_status));
}

Check JudgeEnd(const Trial& trial) {
  constexpr char kWhat[] = "trial run";
  const std::string detail = "the program " + EndText(trial.wait_status);
  if (WIFEXITED(trial.wait_status) && WEXITSTATUS(trial.wait_status) == 0) {
    return Ok(kWhat, detail);
  }
  return Warn(kWhat, detail, "run it without pqleash to see whether it does so then, too");
}

Check JudgeAbsence(const Trial& trial, const Program& program) {
  constexpr char kWhat[] = "ledger";
  const std::string obstacle = Obstacle(program);
  if (!obstacle.empty()) {
    return Fail(kWhat, "none was written: " + obstacle, "see 'program'");
  }
  if (!trial.log_problems.empty()) {
    return Fail(kWhat, "none was written, and the library says why", "see 'log'");
  }
  return Warn(kWhat,
              "none was written: the program ended without a connect by libpq, or connected in a "
              "program that it started and that is statically linked or privileged",
              "give arguments that make it connect");
}

// A directory of ours alone, removed again with all that is in it.
class TrialDirectory {
 public:
  TrialDirectory() {
    for (const char* place : {"/dev/shm", "/tmp"}) {
      std::string name = std::string(place) + "/pqleash-doctor-XXXXXX";
      if (mkdtemp(name.data()) == nullptr) continue;
      path_ = name;
      return;
    }
  }
  ~TrialDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TrialDirectory(const TrialDirectory&) = delete;
  TrialDirectory& operator=(const TrialDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

std::vector<Check> JudgeLedger(const Snapshot& snapshot, const MappedFiles& mapped) {
  std::vector<Check> checks = {
      Ok("connects",
         fmt::format("{} seen in process {} ({}), {} of them failed", Connects(snapshot),
                     snapshot.process.pid, snapshot.process.service, snapshot.totals.failed))};
  if (snapshot.process.attachment != Attachment::kNone) checks.push_back(JudgeAttachment(snapshot));
  Append(JudgeCopies(snapshot, mapped), &checks);
  std::vector<Language> languages = snapshot.process.interpreters;
  for (const Language language : mapped.interpreters) {
    if (!Contains(languages, language)) languages.push_back(language);
  }
  for (const Language language : languages) checks.push_back(JudgeInterpreter(snapshot, language));
  for (Bypass& bypass : Bypasses(CoverageOf(snapshot))) {
    checks.push_back(Warn("coverage", std::move(bypass.what), std::move(bypass.advice)));
  }
  for (const std::string& warning : snapshot.warnings) {
    checks.push_back(Warn("ledger", warning, "see `pqleash report`"));
  }
  return checks;
}

Running LookAtProcess(int32_t pid, const std::string& directory) {
  Running running;
  running.pid = pid;
  if (const auto maps = ReadProcFile(fmt::format("/proc/{}/maps", pid), kMaxMaps)) {
    running.may_look = true;
    running.mapped = ParseMaps(*maps);
  }
  Selection selection;
  selection.pids = {pid};
  selection.directory = directory;
  Collected collected = Collect(selection);
  if (!collected.snapshots.empty() && collected.snapshots[0].process.visible_pid == pid) {
    running.snapshot = std::move(collected.snapshots[0]);
  } else if (!collected.incomplete.empty()) {
    running.why_no_ledger = std::move(collected.incomplete[0]);
  } else {
    running.why_no_ledger = WhyNoLedger(pid);
  }
  return running;
}

std::vector<Check> Judge(const Running& running) {
  if (running.snapshot) return JudgeLedger(*running.snapshot, running.mapped);
  if (running.mapped.library) {
    return {Warn("ledger", running.why_no_ledger,
                 running.mapped.libpq.empty()
                     ? "try again if it loads libpq and connects through it"
                     : "try again when the process has connected")};
  }
  return {Fail("ledger", running.why_no_ledger,
               running.may_look ? "`pqleash doctor -- COMMAND` tries it with a new process"
                                : "look as the user of the process, or as root")};
}

std::vector<std::string> LogProblems(const std::string& log) {
  std::vector<std::string> problems;
  std::string_view rest = log;
  while (!rest.empty()) {
    const size_t size = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, size);
    rest.remove_prefix(std::min(size + 1, rest.size()));
    // 2026-11-21T12:40:03.123Z pqleash[4711] error: …
    for (const std::string_view level : {"] warning: ", "] error: ", "] critical: "}) {
      const size_t at = line.find(level);
      if (at == std::string_view::npos) continue;
      std::string problem(line.substr(at + level.size()));
      if (!Contains(problems, problem)) problems.push_back(std::move(problem));
      break;
    }
  }
  return problems;
}

Trial RunTrial(const std::vector<std::string>& command, const std::string& library) {
  Trial trial;
  trial.problem = DisabledBy();
  if (!trial.problem.empty()) return trial;
  const TrialDirectory directory;
  if (directory.path().empty()) {
    trial.problem = fmt::format("no directory can be made for it: {}", std::strerror(errno));
    return trial;
  }
  const std::string log = directory.path() + "/log";
  const std::string ledgers = directory.path() + "/ledgers";
  const char* existing = std::getenv("LD_PRELOAD");
  const ChildResult result =
      RunChild(command,
               {{"LD_PRELOAD", PreloadValue(library, existing ? existing : "")},
                {"PQLEASH_DIR", ledgers},
                {"PQLEASH_LOG", log},
                {"PQLEASH_LOG_LEVEL", "info"},
                {"PQLEASH_LOG_FORMAT", "text"}},
               {STDERR_FILENO, -1});
  if (result.start_error != 0) {
    trial.problem =
        fmt::format("{} cannot be run: {}", command.front(), std::strerror(result.start_error));
    return trial;
  }
  trial.wait_status = result.wait_status;
  trial.log_problems = LogProblems(ReadProcFile(log, kMaxLog).value_or(""));
  Selection selection;
  selection.directory = ledgers;
  selection.all = true;
  Collected collected = Collect(selection);
  trial.snapshots = std::move(collected.snapshots);
  trial.unreadable = std::move(collected.incomplete);
  return trial;
}

std::vector<Check> Judge(const Trial& trial, const Program& program) {
  if (!trial.problem.empty()) {
    return {Fail("trial run", "there was none: " + trial.problem, "correct that, and try again")};
  }
  std::vector<Check> checks = {JudgeEnd(trial)};
  if (trial.snapshots.empty() && trial.unreadable.empty()) {
    checks.push_back(JudgeAbsence(trial, program));
  }
  MappedFiles expected;
  if (program.language) expected.interpreters.push_back(*program.language);
  for (const Snapshot& snapshot : trial.snapshots) {
    // A program that the interpreter started need not be one.
    const bool same = snapshot.process.exe == program.path || trial.snapshots.size() == 1;
    Append(JudgeLedger(snapshot, same ? expected : MappedFiles()), &checks);
  }
  for (const std::string& sentence : trial.unreadable) {
    checks.push_back(Fail("ledger", sentence, "install tool and library of one version"));
  }
  for (size_t i = 0; i < std::min(trial.log_problems.size(), kMaxLogProblems); ++i) {
    checks.push_back(Warn("log", trial.log_problems[i], "correct the setting that it names"));
  }
  return checks;
}

}  // namespace pqleash::reporter
