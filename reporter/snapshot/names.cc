// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/names.h"

#include <fmt/format.h>

#include <charconv>

namespace pqleash::reporter {

std::string_view NameOf(Life life) {
  switch (life) {
    case Life::kLive:
      return "live";
    case Life::kEnded:
      return "ended";
    case Life::kKilled:
      return "killed";
    case Life::kReplaced:
      return "replaced by exec";
    case Life::kUnknown:
      break;
  }
  return "unknown";
}

Life LifeNamed(std::string_view name) {
  for (const Life life : {Life::kLive, Life::kEnded, Life::kKilled, Life::kReplaced}) {
    if (name == NameOf(life)) return life;
  }
  return Life::kUnknown;
}

std::string_view NameOf(ConnectionState state) {
  switch (state) {
    case ConnectionState::kConnecting:
      return "connecting";
    case ConnectionState::kEstablished:
      return "established";
    case ConnectionState::kFailed:
      return "failed";
    case ConnectionState::kRefused:
      return "refused";
    case ConnectionState::kBroken:
      return "broken";
    case ConnectionState::kResetting:
      return "resetting";
    case ConnectionState::kInherited:
      return "inherited";
    case ConnectionState::kLeftOpen:
      return "left_open";
    case ConnectionState::kWaiting:
      break;
  }
  return "waiting";
}

std::string_view NameOf(Attachment attachment) {
  switch (attachment) {
    case Attachment::kNone:
      break;
    case Attachment::kBegun:
      return "begun";
    case Attachment::kAttached:
      return "attached";
    case Attachment::kDetached:
      return "detached";
  }
  return "none";
}

std::string_view NameOf(Transaction transaction) {
  switch (transaction) {
    case Transaction::kIdle:
      return "idle";
    case Transaction::kActive:
      return "active";
    case Transaction::kOpen:
      return "in_transaction";
    case Transaction::kFailed:
      return "in_failed_transaction";
    case Transaction::kUnknown:
      break;
  }
  return "unknown";
}

std::string_view NameOf(Language language) {
  switch (language) {
    case Language::kNative:
      return "native";
    case Language::kPython:
      return "python";
    case Language::kRuby:
      return "ruby";
    case Language::kPhp:
      return "php";
    case Language::kPerl:
      return "perl";
    case Language::kUnknown:
      break;
  }
  return "unknown";
}

std::string_view NameOf(Unwinder unwinder) {
  switch (unwinder) {
    case Unwinder::kCfi:
      return "cfi";
    case Unwinder::kBacktrace:
      return "backtrace";
    case Unwinder::kNone:
      break;
  }
  return "none";
}

std::vector<std::string> NamesOf(const LibpqWays& ways) {
  std::vector<std::string> names;
  if (ways.bound) names.emplace_back("bound");
  if (ways.looked_up) names.emplace_back("looked_up");
  if (ways.deep_bind) names.emplace_back("deep_bind");
  return names;
}

std::vector<std::string> NamesOf(const Intercepted& intercepted) {
  std::vector<std::string> names;
  if (intercepted.look_ups) names.emplace_back("dlsym");
  if (intercepted.deep_bind) names.emplace_back("deepbind");
  return names;
}

std::string CallSiteName(uint64_t id) {
  return id == 0 ? std::string("unknown") : fmt::format("{:016x}", id);
}

std::optional<uint64_t> CallSiteNamed(std::string_view name) {
  constexpr size_t kDigits = 16;
  if (name == "unknown") return 0;
  uint64_t id = 0;
  const bool digits = name.size() == kDigits &&
                      name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!digits) return std::nullopt;
  std::from_chars(name.data(), name.data() + name.size(), id, 16);
  return id;
}

std::string HandleName(uint64_t handle) {
  return handle == 0 ? std::string("-") : fmt::format("{:#x}", handle);
}

std::string LibpqVersion(uint32_t version) {
  if (version == 0) return "unknown";
  return fmt::format("{}.{}", version / 10'000, version % 10'000);
}

}  // namespace pqleash::reporter
