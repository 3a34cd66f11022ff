// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/process_liveness.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string_view>

#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

// Inode of the first pid namespace of a machine (PROC_PID_INIT_INO of the kernel): from there every
// process is seen.
constexpr uint64_t kInitialPidNamespace = 0xEFFFFFFC;

Life HowItEnded(const Process& process) {
  return process.phase == ProcessPhase::kRunning ? Life::kKilled : Life::kEnded;
}

std::string FirstLine(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

// Whether the last number of the line 'NSpid:' of /proc/PID/status, the pid in the innermost
// namespace, is `pid`.
bool InnermostPidIs(std::string_view status, int32_t pid) {
  const size_t begin = status.find("\nNSpid:");
  if (begin == std::string_view::npos) return false;
  const std::string_view line = status.substr(begin + 1, status.find('\n', begin + 1) - begin - 1);
  const size_t last = line.find_last_of("\t ");
  return last != std::string_view::npos && line.substr(last + 1) == std::to_string(pid);
}

}  // namespace

LivenessProbe::LivenessProbe(std::string proc) : proc_(std::move(proc)) {
  boot_id_ = FirstLine(ReadProcFile(proc_ + "/sys/kernel/random/boot_id").value_or(""));
  pid_namespace_ = NamespaceInode(ReadLink(proc_ + "/self/ns/pid").value_or("")).value_or(0);
  own_offsets_ = OffsetsOf("self");
}

LivenessProbe::ClockOffsets LivenessProbe::OffsetsOf(const std::string& process) const {
  ClockOffsets offsets;
  const auto text = ReadProcFile(fmt::format("{}/{}/timens_offsets", proc_, process));
  if (!text) return offsets;  // before Linux 5.6
  constexpr int64_t kMaxSeconds = int64_t{1} << 32;
  std::istringstream lines(*text);
  std::string clock;
  int64_t seconds = 0;
  int64_t nanoseconds = 0;
  while (lines >> clock >> seconds >> nanoseconds) {
    if (std::abs(seconds) > kMaxSeconds) continue;
    const int64_t offset = seconds * 1'000'000'000 + nanoseconds;
    if (clock == "monotonic") offsets.monotonic_ns = offset;
    if (clock == "boottime") offsets.boottime_ns = offset;
  }
  return offsets;
}

Liveness LivenessProbe::Live(int32_t pid) const {
  const ClockOffsets offsets = OffsetsOf(std::to_string(pid));
  return {Life::kLive, pid, offsets.monotonic_ns - own_offsets_.monotonic_ns};
}

Liveness LivenessProbe::Look(const Process& process, bool newest_image) const {
  // An exec keeps pid and start time, so the process may well live: with another program.
  if (!newest_image) return {Life::kReplaced, 0};
  // Where nothing is recorded any more it has ended, also where the process lives on (detached).
  if (process.phase == ProcessPhase::kEnded) return {Life::kEnded, 0};
  if (boot_id_.empty() || process.boot_id.empty()) return {};
  if (process.boot_id != boot_id_) return {HowItEnded(process), 0};
  if (process.start_ticks == 0 || process.pid <= 0) return {};
  if (process.pid_namespace == 0 || pid_namespace_ == 0) return {};
  if (process.pid_namespace == pid_namespace_) {
    if (StartedAt(process.pid, process.start_ticks)) return Live(process.pid);
    return {HowItEnded(process), 0};
  }
  const Sighting sighting = Find(process.pid, process.start_ticks, process.pid_namespace);
  if (sighting.pid != 0) return Live(sighting.pid);
  if (sighting.certain) return {HowItEnded(process), 0};
  return {};
}

bool LivenessProbe::StartedAt(int32_t pid, uint64_t start_ticks) const {
  const auto stat = ReadProcFile(fmt::format("{}/{}/stat", proc_, pid));
  if (!stat) return false;
  // A zombie has its stat still, and no connection any more; unless only its first thread has
  // ended.
  const size_t name_end = stat->rfind(')');
  if (name_end != std::string::npos && name_end + 2 < stat->size()) {
    const char state = (*stat)[name_end + 2];
    const bool ended = state == 'Z' || state == 'X';
    if (ended && ListPids(fmt::format("{}/{}/task", proc_, pid)).size() <= 1) return false;
  }
  const std::optional<uint64_t> seen = StartTicks(*stat);
  if (!seen || *seen == start_ticks) return seen.has_value();
  // The kernel adds the offset of whoever reads (fs/proc/array.c, timens_add_boottime_ns), and the
  // process has read it itself. What is cut off of both is less than a tick.
  const int64_t ahead = OffsetsOf(std::to_string(pid)).boottime_ns - own_offsets_.boottime_ns;
  if (ahead == 0) return false;
  const int64_t tick_ns = 1'000'000'000 / sysconf(_SC_CLK_TCK);
  const int64_t expected = static_cast<int64_t>(*seen) + ahead / tick_ns;
  return std::abs(expected - static_cast<int64_t>(start_ticks)) <= 1;
}

Life LivenessProbe::LookForName(int32_t pid, uint64_t start_ticks) const {
  if (StartedAt(pid, start_ticks)) return Life::kLive;
  const Sighting sighting = Find(pid, start_ticks, 0);
  if (sighting.pid != 0) return Life::kLive;
  return sighting.certain ? Life::kKilled : Life::kUnknown;
}

LivenessProbe::Sighting LivenessProbe::Find(int32_t inner_pid, uint64_t start_ticks,
                                            uint64_t pid_namespace) const {
  bool hidden = false;  // a process of which we may not know the namespace
  bool namespace_seen = false;
  for (const int32_t pid : ListPids(proc_)) {
    if (pid_namespace != 0) {
      const auto link = ReadLink(fmt::format("{}/{}/ns/pid", proc_, pid));
      if (!link) {
        hidden |= errno == EACCES || errno == EPERM;
        continue;
      }
      if (NamespaceInode(*link) != pid_namespace) continue;
      namespace_seen = true;
    }
    const auto status = ReadProcFile(fmt::format("{}/{}/status", proc_, pid));
    if (status && InnermostPidIs(*status, inner_pid) && StartedAt(pid, start_ticks)) {
      return {pid, true};
    }
  }
  // A namespace that we see one process of is below ours, and then we see all of them; so does the
  // first namespace.
  const bool sees_all = namespace_seen || pid_namespace_ == kInitialPidNamespace;
  return {0, sees_all && !hidden};
}

}  // namespace pqleash::reporter
