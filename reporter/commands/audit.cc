// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/audit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include "reporter/audit/baseline.h"
#include "reporter/audit/judge.h"
#include "reporter/commands/audit_options.h"
#include "reporter/commands/command.h"
#include "reporter/commands/unseen.h"
#include "reporter/launch/preload.h"
#include "reporter/observe/collect_caps.h"
#include "reporter/observe/harvest.h"
#include "reporter/observe/pipeline.h"
#include "reporter/reachability/exit_examiner.h"
#include "reporter/report/bounded_file.h"
#include "reporter/symbols/symboliser.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kPeriodNs = 50'000'000;
constexpr int kPeriodsPerHarvest = 4;
constexpr std::chrono::milliseconds kExaminerTurn{100};
// The most that a process may be asked to wait.
constexpr char kHoldAtExit[] = "10s";
// The most that the library takes: no ledger may go before it was read.
constexpr char kKeepDead[] = "100000";

// Where the ledgers are.
class AuditDirectory {
 public:
  // `kept`: empty for a private directory, which is removed. Otherwise that one, made if it is not
  // there.
  explicit AuditDirectory(const std::string& kept) {
    if (!kept.empty()) {
      ledgers_ = kept;
      if (mkdir(kept.c_str(), 0700) != 0 && errno != EEXIST) {
        problem_ =
            fmt::format("ledger directory {} cannot be made: {}", kept, std::strerror(errno));
      } else if (const auto reason = DirectoryProblem(kept)) {
        problem_ = *reason;
      }
      return;
    }
    std::error_code error;
    for (const std::string& parent :
         {std::string("/dev/shm"), std::filesystem::temp_directory_path(error).string()}) {
      std::string name = parent + "/pqleash-audit-XXXXXX";
      if (mkdtemp(name.data()) == nullptr) continue;
      private_ = name;
      // Below a directory of ours: whoever connects after the audit does not make it anew.
      ledgers_ = name + "/ledgers";
      if (mkdir(ledgers_.c_str(), 0700) == 0) return;
    }
    problem_ = fmt::format(
        "a directory for the ledgers can be made neither in /dev/shm nor in the directory for "
        "temporary files: {}; name one with --keep-ledgers",
        std::strerror(errno));
  }
  ~AuditDirectory() { Remove(); }
  AuditDirectory(const AuditDirectory&) = delete;
  AuditDirectory& operator=(const AuditDirectory&) = delete;

  void Remove() {
    std::error_code ignored;
    if (!private_.empty()) std::filesystem::remove_all(private_, ignored);
    private_.clear();
  }

  const std::string& ledgers() const { return ledgers_; }
  bool is_private() const { return !private_.empty(); }
  const std::optional<std::string>& problem() const { return problem_; }

 private:
  std::string private_;  // empty: none
  std::string ledgers_;
  std::optional<std::string> problem_;
};

int Fail(const std::string& sentence, int exit_code = kFailed) {
  Diagnose("audit: " + sentence);
  return exit_code;
}

std::optional<int> LoadSuppressions(const std::vector<std::string>& paths,
                                    std::vector<Suppression>* suppressions) {
  for (const std::string& path : paths) {
    std::string problem;
    const auto text = ReadBoundedFile(path, kMaxSuppressionBytes, &problem);
    if (!text) return Fail(problem);
    SuppressionsResult result = ParseSuppressions(*text, path);
    if (const auto* bad = std::get_if<std::string>(&result)) return Fail(*bad, kUsage);
    auto& read = std::get<std::vector<Suppression>>(result);
    std::move(read.begin(), read.end(), std::back_inserter(*suppressions));
  }
  return std::nullopt;
}

// Everything that the audit reads and writes is looked at before the program runs: it may take an
// hour.
std::optional<int> Prepare(const AuditOptions& options, Judgement* judgement) {
  judgement->kinds = options.kinds;
  judgement->fail_on = *options.fail_on;
  judgement->at_exit.judge_killed = options.judge_killed;
  if (auto exit_code = LoadSuppressions(options.suppressions, &judgement->suppressions))
    return exit_code;
  if (!options.baseline.empty()) {
    BaselineResult result = ReadBaseline(options.baseline);
    if (const auto* problem = std::get_if<std::string>(&result)) return Fail(*problem);
    judgement->baseline = std::get<Baseline>(std::move(result));
  }
  for (const std::string& path : {options.output, options.write_baseline}) {
    if (path.empty() || path == "-") continue;
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return Fail(fmt::format("{} cannot be written: {}", path, std::strerror(errno)));
    close(fd);
  }
  return std::nullopt;
}

ProgramEnd EndOf(const std::string& name, int wait_status) {
  ProgramEnd end;
  end.name = name;
  if (WIFEXITED(wait_status)) {
    end.exit_code = WEXITSTATUS(wait_status);
  } else {
    end.signal = WTERMSIG(wait_status);
  }
  return end;
}

AuditReport MakeAudit(Collected collected, const Judgement& judgement,
                      const std::vector<std::string>& library_paths) {
  Symboliser symboliser;
  const Analysis analysis = AnalyseWithProgress(std::move(collected), &symboliser, library_paths);
  Filter filter;
  filter.library_paths = library_paths;
  AuditReport audit;
  audit.report = ReportOn(analysis, filter);
  std::error_code error;
  audit.source_root = std::filesystem::current_path(error).string();
  Judge(analysis.Observe(filter), judgement, &audit);
  return audit;
}

void Render(const AuditReport& audit, const AuditOptions& options, AuditFormat format, bool colour,
            std::ostream& out) {
  switch (format) {
    case AuditFormat::kText:
      RenderAuditText(audit, {colour, options.native_frames}, out);
      break;
    case AuditFormat::kJson:
      RenderAuditJson(audit, out);
      break;
    case AuditFormat::kJunit:
      RenderAuditJunit(audit, out);
      break;
    case AuditFormat::kSarif:
      RenderAuditSarif(audit, out);
      break;
  }
}

int WriteToFile(const AuditReport& audit, const AuditOptions& options, AuditFormat format,
                const std::string& path) {
  errno = 0;
  std::ofstream file(path, std::ios::trunc);
  Render(audit, options, format, /*colour=*/false, file);
  file.close();
  if (file) return kFine;
  return Fail(fmt::format("the result could not be written to {}{}{}", path, errno == 0 ? "" : ": ",
                          errno == 0 ? "" : std::strerror(errno)));
}

int WriteResult(const AuditReport& audit, const AuditOptions& options) {
  int exit_code = kFine;
  if (options.output.empty()) {
    Render(audit, options, options.format, WantsColour(STDERR_FILENO), std::cerr);
  } else {
    if (options.output == "-") {
      Render(audit, options, options.format, WantsColour(STDOUT_FILENO), std::cout);
      exit_code = FinishOutput();
    } else {
      exit_code = WriteToFile(audit, options, options.format, options.output);
    }
    Diagnose(Summarise(audit));
  }
  if (!options.write_baseline.empty() &&
      WriteToFile(audit, options, AuditFormat::kJson, options.write_baseline) != kFine)
    exit_code = kFailed;
  return exit_code;
}

class Audit {
 public:
  Audit(const AuditOptions& options, Judgement judgement, AuditDirectory* directory)
      : options_(options),
        judgement_(std::move(judgement)),
        directory_(*directory),
        run_id_(NewRunId()),
        harvest_(directory->ledgers(), run_id_, directory->is_private()),
        examiner_(directory->ledgers(), run_id_, {}) {}

  int Run(const std::string& library) {
    Variables variables = LaunchVariables(options_.launch, library, run_id_);
    variables.emplace_back("PQLEASH_DIR", directory_.ledgers());
    variables.emplace_back("PQLEASH_KEEP_DEAD", kKeepDead);
    variables.emplace_back("PQLEASH_HOLD_AT_EXIT", kHoldAtExit);
    Supervision supervision;
    supervision.meanwhile = [this] { LookAround(); };
    supervision.period_ns = kPeriodNs;
    supervision.linger_ns = *options_.linger_ns;
    supervision.afterwards = [this] { Finish(); };
    const ChildResult result = RunChildTree(options_.launch.command, variables, supervision);
    if (result.start_error != 0) return DiagnoseStart(options_.launch, result.start_error);
    const int exit_code = Report(result.wait_status);
    if (!WIFEXITED(result.wait_status) || WEXITSTATUS(result.wait_status) != 0)
      return EndAs(result.wait_status);
    return exit_code;
  }

 private:
  // Whatever goes wrong here must not end the audit while the program runs.
  template <typename Step>
  void Guarded(const Step& step) {
    try {
      step();
    } catch (const std::exception& error) {
      problem_ = error.what();
    }
  }

  void LookAround() {
    // From here on there is nothing to fork any more.
    if (!examining_.joinable())
      examining_ = std::jthread([this](const std::stop_token& stop) { Examine(stop); });
    if (++periods_ % kPeriodsPerHarvest == 0) Guarded([this] { harvest_.Gather(); });
  }

  // Processes wait in their exit until somebody has looked: a thread does nothing else.
  void Examine(const std::stop_token& stop) {
    try {
      while (!stop.stop_requested()) examiner_.WaitForHeld(kExaminerTurn);
    } catch (const std::exception& error) {
      examiner_problem_ = error.what();
    }
  }

  void Finish() {
    examining_ = {};  // asks it to stop, and waits for it
    Guarded([this] {
      collected_ = harvest_.Finish();
      collected_.caps = CollectCapsOf(collected_.snapshots, directory_.ledgers());
      // A search that is not permitted takes nothing from what the ledgers say.
      const std::vector<std::string> incomplete = std::exchange(collected_.incomplete, {});
      ProgressLine line;
      LookForLost({}, &collected_, &line);
      AddExitVerdicts(examiner_, &collected_);
      notes_ = std::exchange(collected_.incomplete, incomplete);
      if (!examiner_problem_.empty())
        notes_.push_back("not all processes were looked at in their exit: " + examiner_problem_);
    });
    directory_.Remove();
  }

  int Report(int wait_status) {
    try {
      if (!problem_.empty())
        collected_.incomplete.push_back("not all ledgers could be read: " + problem_);
      // Else a build would be green because nothing was looked at.
      std::vector<std::string>& unseen = options_.allow_unseen ? notes_ : collected_.incomplete;
      if (collected_.snapshots.empty())
        unseen.push_back(WhyNothingWasSeen(options_.launch.command));
      AuditReport audit = MakeAudit(std::move(collected_), judgement_, options_.library_paths);
      audit.notes.insert(audit.notes.end(), notes_.begin(), notes_.end());
      audit.program = EndOf(options_.launch.command.front(), wait_status);
      if (!options_.write_baseline.empty()) {
        audit.notes.push_back(fmt::format(
            "these findings are the baseline in {} now: nothing fails", options_.write_baseline));
      }
      if (WriteResult(audit, options_) != kFine) return kFailed;
      if (!audit.report.incomplete.empty()) return kFailed;
      const bool fails = CountWith(audit, Standing::kFails) != 0;
      return fails && options_.write_baseline.empty() ? kFindings : kFine;
    } catch (const std::exception& error) {
      // Whatever goes wrong in reporting, the caller gets the status of the program.
      return Fail(fmt::format("no report can be made: {}", error.what()));
    }
  }

  const AuditOptions& options_;
  Judgement judgement_;
  AuditDirectory& directory_;
  const uint64_t run_id_;
  Harvest harvest_;
  ExitExaminer examiner_;
  std::string examiner_problem_;
  std::vector<std::string> notes_;
  Collected collected_;
  std::string problem_;
  int periods_ = 0;
  std::jthread examining_;  // last: it uses the others
};

}  // namespace

int RunAudit(const Arguments& arguments) {
  AuditOptions options;
  if (const auto exit_code = ParseAudit(arguments, &options)) return *exit_code;
  Judgement judgement;
  if (const auto exit_code = Prepare(options, &judgement)) return *exit_code;
  // An audit that records nothing would say that all is well.
  std::string problem;
  const auto library = UsableLibrary(options.launch, &problem);
  if (!library) return Fail(problem);
  AuditDirectory directory(options.keep_ledgers);
  if (directory.problem()) return Fail(*directory.problem());
  const std::vector<std::string> problems = RecordingProblems(directory.ledgers());
  if (!problems.empty()) return Fail(problems.front());
  return Audit(options, std::move(judgement), &directory).Run(*library);
}

}  // namespace pqleash::reporter
