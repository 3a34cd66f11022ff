// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/merge.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

#include "reporter/observe/collect.h"
#include "reporter/report/saved_report.h"

namespace pqleash::reporter {
namespace {

// As many at a time as there are processors: parsing is all the work.
std::vector<std::optional<SavedReportResult>> ReadAll(const std::vector<std::string>& paths) {
  std::vector<std::optional<SavedReportResult>> results(paths.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < paths.size(); i = next++) results[i] = ReadSavedReport(paths[i]);
  };
  constexpr size_t kMaxThreads = 16;
  const size_t wanted = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMaxThreads);
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < std::min(wanted, paths.size()); ++i) threads.emplace_back(work);
  work();
  threads.clear();
  return results;
}

}  // namespace

bool IsSavedReport(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  char buffer[64];
  const ssize_t got = read(fd, buffer, sizeof buffer);
  close(fd);
  const std::string_view text(buffer, got > 0 ? static_cast<size_t>(got) : 0);
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

Report MergeFiles(const std::vector<std::string>& paths, const Report* here,
                  std::vector<std::string> incomplete) {
  std::vector<NamedReport> reports;
  if (here != nullptr) reports.push_back({"what was read from ledgers", *here});
  auto results = ReadAll(paths);
  for (size_t i = 0; i < paths.size(); ++i) {
    if (auto* problem = std::get_if<std::string>(&*results[i])) {
      incomplete.push_back(std::move(*problem));
      continue;
    }
    auto& saved = std::get<SavedReport>(*results[i]);
    if (saved.of_audit) {
      incomplete.push_back(
          fmt::format("{} is an audit, expected what `pqleash report --format json` wrote; compare "
                      "audits with `pqleash diff`",
                      paths[i]));
    } else {
      reports.push_back({paths[i], std::move(saved.report)});
    }
  }
  return Merge(std::move(reports), std::move(incomplete), CurrentOccasion());
}

}  // namespace pqleash::reporter
