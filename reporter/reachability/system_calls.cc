// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/system_calls.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <vector>

namespace pqleash::reporter {
namespace {

// Calls that the kernel begins anew, or goes on with, after a stop without a signal: they leave
// with ERESTARTSYS, ERESTARTNOHAND, ERESTARTNOINTR or ERESTART_RESTARTBLOCK. Of those on a socket
// with a time-out, which leave with EINTR, see registers.cc.
constexpr long kRestarted[] = {
#ifdef SYS_poll
    SYS_poll,
#endif
#ifdef SYS_select
    SYS_select,
#endif
#ifdef SYS_pause
    SYS_pause,
#endif
#ifdef SYS_accept
    SYS_accept,
#endif
    SYS_accept4,   SYS_clock_nanosleep, SYS_futex,
    SYS_nanosleep, SYS_ppoll,           SYS_pselect6,
    SYS_read,      SYS_readv,           SYS_recvfrom,
    SYS_recvmsg,   SYS_restart_syscall, SYS_rt_sigsuspend,
    SYS_wait4,     SYS_waitid,
};

struct Named {
  long number;
  const char* name;
};
constexpr Named kNames[] = {
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, "epoll_wait"},
#endif
    {SYS_epoll_pwait, "epoll_wait"},
#ifdef SYS_epoll_pwait2
    {SYS_epoll_pwait2, "epoll_wait"},
#endif
    {SYS_rt_sigtimedwait, "sigtimedwait"},
    {SYS_semop, "semop"},
    {SYS_semtimedop, "semtimedop"},
    {SYS_io_getevents, "io_getevents"},
#ifdef SYS_io_uring_enter
    {SYS_io_uring_enter, "io_uring_enter"},
#endif
    {SYS_msgrcv, "msgrcv"},
    {SYS_msgsnd, "msgsnd"},
    {SYS_write, "write"},
    {SYS_writev, "writev"},
    {SYS_sendto, "sendto"},
    {SYS_sendmsg, "sendmsg"},
    {SYS_recvfrom, "recvfrom"},
    {SYS_recvmsg, "recvmsg"},
    {SYS_connect, "connect"},
};

std::vector<std::string_view> WordsOf(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t begin = text.find_first_not_of(" \n");
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(" \n"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

template <typename Number>
std::optional<Number> Parse(std::string_view word, int base) {
  Number number = 0;
  const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), number, base);
  if (error != std::errc() || rest != word.data() + word.size()) return std::nullopt;
  return number;
}

std::optional<uint64_t> ParseHex(std::string_view word) {
  if (!word.starts_with("0x")) return std::nullopt;
  return Parse<uint64_t>(word.substr(2), 16);
}

}  // namespace

// 'running', or the number and six arguments of the call, the stack pointer and the program
// counter;
// '-1 0x7ffc… 0x7f…' outside of a call.
Activity ParseActivity(std::string_view text) {
  constexpr size_t kOutsideWords = 3;
  constexpr size_t kInCallWords = 9;
  Activity activity;
  const std::vector<std::string_view> words = WordsOf(text);
  if (words.size() == 1 && words[0] == "running") {
    activity.kind = Activity::Kind::kRunning;
    return activity;
  }
  if (words.size() != kOutsideWords && words.size() != kInCallWords) return activity;
  const auto number = Parse<int64_t>(words[0], 10);
  const auto stack_pointer = ParseHex(words[words.size() - 2]);
  if (!number || !stack_pointer || (*number == -1) != (words.size() == kOutsideWords)) {
    return activity;
  }
  for (size_t i = 0; words.size() == kInCallWords && i < activity.arguments.size(); ++i) {
    const auto argument = ParseHex(words[1 + i]);
    if (!argument) return activity;
    activity.arguments[i] = *argument;
  }
  activity.kind = *number == -1 ? Activity::Kind::kOutside : Activity::Kind::kInCall;
  activity.call = *number;
  activity.stack_pointer = *stack_pointer;
  return activity;
}

bool StopsUnnoticed(const Activity& activity) {
  switch (activity.kind) {
    case Activity::Kind::kUnknown:
      return false;
    case Activity::Kind::kRunning:
    case Activity::Kind::kOutside:
      return true;
    case Activity::Kind::kInCall:
      break;
  }
  // They return what has come so far.
  if (activity.call == SYS_recvfrom && (activity.arguments[3] & MSG_WAITALL) != 0) return false;
  if (activity.call == SYS_recvmsg && (activity.arguments[2] & MSG_WAITALL) != 0) return false;
  return std::find(std::begin(kRestarted), std::end(kRestarted), activity.call) !=
         std::end(kRestarted);
}

bool WaitsForGood(const Activity& activity) {
  if (activity.kind != Activity::Kind::kInCall) return false;
  const auto negative = [](uint64_t argument) { return static_cast<int32_t>(argument) < 0; };
  const auto& arguments = activity.arguments;
  switch (activity.call) {
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait:
      return negative(arguments[3]);
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
#endif
    case SYS_semtimedop:
      return arguments[3] == 0;
    case SYS_rt_sigtimedwait:
      return arguments[2] == 0;
    case SYS_semop:
      return true;
    default:
      return false;
  }
}

std::string NameOfCall(int64_t number) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [&](const Named& named) { return named.number == number; });
  return found != std::end(kNames) ? found->name : fmt::format("system call {}", number);
}

}  // namespace pqleash::reporter
