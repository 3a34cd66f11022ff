// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/kernel_references.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kMaxFdInfo = 16 << 20;  // a line for each registered descriptor

std::optional<uint64_t> HexAt(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

// The numbers that follow `word` in each line that begins with `line_begin`.
std::vector<uint64_t> HexBehind(std::string_view text, std::string_view line_begin,
                                std::string_view word) {
  std::vector<uint64_t> numbers;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(line_begin)) continue;
    const size_t at = line.find(word, line_begin.size());
    if (at == std::string_view::npos) continue;
    if (const auto number = HexAt(line.substr(at + word.size()))) numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace

// 'tfd:        5 events:       19 data:     55d0c1a2b3c0  pos:0 ino:1 sdev:2'
std::vector<uint64_t> EpollData(std::string_view fdinfo) {
  return HexBehind(fdinfo, "tfd:", " data:");
}

// 'signal: 60/00007fff86e452a8'
std::vector<uint64_t> TimerData(std::string_view timers) {
  return HexBehind(timers, "signal:", "/");
}

KernelReferences ReadKernelReferences(int32_t pid, const std::string& proc) {
  KernelReferences result;
  const std::string process = fmt::format("{}/{}", proc, pid);
  errno = 0;
  const std::vector<int32_t> descriptors = ListPids(process + "/fd");  // 0 is left out
  if (descriptors.empty() && errno == EACCES) {
    result.missing = "the descriptors of the process cannot be listed";
  }
  const auto look_at = [&](int32_t descriptor) {
    const auto link = ReadLink(fmt::format("{}/fd/{}", process, descriptor));
    if (!link) return;
    if (link->find("[io_uring]") != std::string::npos) {
      result.missing = "the user data of its io_uring requests cannot be read";
    }
    if (link->find("[eventpoll]") == std::string::npos) return;
    const auto info = ReadProcFile(fmt::format("{}/fdinfo/{}", process, descriptor), kMaxFdInfo);
    if (!info) {
      result.missing = "the user data of its epoll descriptors cannot be read";
      return;
    }
    for (const uint64_t data : EpollData(*info)) {
      result.references.push_back(
          {data, fmt::format("user data of epoll descriptor {}", descriptor)});
    }
  };
  look_at(0);
  for (const int32_t descriptor : descriptors) look_at(descriptor);
  if (const auto timers = ReadProcFile(process + "/timers")) {
    for (const uint64_t data : TimerData(*timers)) {
      result.references.push_back({data, "value of a timer's signal"});
    }
  }
  return result;
}

}  // namespace pqleash::reporter
