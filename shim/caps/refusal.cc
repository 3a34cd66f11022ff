// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/refusal.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>

namespace pqleash::caps {

namespace {

class Sentence {
 public:
  explicit Sentence(char (&text)[kRefusalSize]) : text_(text) {}

  void Add(const char* format, ...) __attribute__((format(printf, 2, 3))) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text_ + size_, kRefusalSize - size_ - 1, format, arguments);
    va_end(arguments);
    if (length > 0) size_ = std::min(size_ + static_cast<size_t>(length), kRefusalSize - 2);
  }
  void End() {
    for (size_t i = 0; i < size_; ++i) {
      if (static_cast<unsigned char>(text_[i]) < ' ' || text_[i] == 0x7f) text_[i] = '?';
      if (text_[i] == ':') text_[i] = ';';
    }
    text_[size_] = '\n';
    text_[size_ + 1] = '\0';
  }

 private:
  char* text_;
  size_t size_ = 0;
};

}  // namespace

void Explain(const Refusal& refusal, char (&text)[kRefusalSize]) {
  const Policy& policy = *refusal.policy;
  Sentence sentence(text);
  sentence.Add("pqleash refused this connection because %s \"%s\"",
               policy.kind == kPace ? "pace" : "cap", policy.name);
  if (refusal.service[0] != '\0') sentence.Add(" of service \"%s\"", refusal.service);
  if (policy.kind == kCap) {
    sentence.Add(" allows %u and %u are in use", refusal.rule.limit, refusal.use);
    if (refusal.holder != nullptr)
      sentence.Add(", %u of them opened by %s (call site %016" PRIx64 ")", refusal.holder_count,
                   refusal.holder, refusal.holder_site);
  } else if (refusal.server_full) {
    sentence.Add(" holds connects back while the server has no free slots");
  } else {
    sentence.Add(" allows a connect every %.3g ms",
                 static_cast<double>(refusal.rule.interval_ns) / 1e6);
  }
  if (refusal.waited_ns != 0) {
    sentence.Add("; it waited %.1f s", static_cast<double>(refusal.waited_ns) / 1e9);
  } else if (refusal.rule.on_limit == kWait && refusal.waiting > 0) {
    sentence.Add("; %u wait already", refusal.waiting);
  }
  if (policy.kind == kCap) {
    sentence.Add("; close connections there or raise it with 'pqleash caps set %s --limit N'",
                 policy.name);
  } else {
    sentence.Add("; see 'pqleash caps %s'", policy.name);
  }
  sentence.End();
}

}  // namespace pqleash::caps
