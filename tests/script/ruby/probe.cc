// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into real interpreters: captures when a driver connects, and says on stderr what it
// got:
//   Ruby|function|file|line     for each frame, innermost first
//   end                         once for each connect
// PROBE_DEPTH: after how many frames the sink has had enough (64).
// PROBE_REPEAT: captures that many times; 'differs' if one is not like the first.
// PROBE_THREAD: captures on a thread of its own, which is none of the interpreter's.
// PROBE_TIME: 'median NANOSECONDS NAME' of 1001 captures.

#include <dlfcn.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "shim/stack/script/script_frames.h"

namespace pqleash::stack {
namespace {

const Interpreter* const kInterpreters[] = {&kRuby, &kPhp, &kPerl};

int Number(const char* variable, int otherwise) {
  const char* value = getenv(variable);
  return value != nullptr ? atoi(value) : otherwise;
}

class TextSink final : public ScriptSink {
 public:
  bool Add(ledger::Language language, std::string_view function, std::string_view file,
           uint32_t line) override {
    const char* const names[] = {"native", "Python", "Ruby", "PHP", "Perl"};
    Append(names[language]);
    Append("|");
    Append(function);
    Append("|");
    Append(file);
    char number[16];
    snprintf(number, sizeof number, "|%u\n", line);
    Append(number);
    return ++count_ < depth_;
  }

  void Append(std::string_view text) {
    const size_t taken = std::min(text.size(), sizeof text_ - size_);
    memcpy(text_ + size_, text.data(), taken);
    size_ += taken;
  }
  void Write() const {
    if (write(2, text_, size_) < 0) abort();
  }
  bool operator==(const TextSink& other) const {
    return size_ == other.size_ && memcmp(text_, other.text_, size_) == 0;
  }

 private:
  const int depth_ = Number("PROBE_DEPTH", 64);
  int count_ = 0;
  size_t size_ = 0;
  char text_[65536];
};

// As costly as a ledger that only keeps a hash.
class NullSink final : public ScriptSink {
 public:
  bool Add(ledger::Language, std::string_view function, std::string_view file,
           uint32_t line) override {
    size += function.size() + file.size() + line;
    return true;
  }
  size_t size = 0;
};

void CaptureAll(ScriptSink& sink) {
  for (const Interpreter* interpreter : kInterpreters) {
    if (!interpreter->find(dlsym)) continue;
    if (interpreter->code() == nullptr) abort();
    interpreter->capture(sink);
  }
}

uint64_t Now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
}

void PrintMedian() {
  constexpr int kRuns = 1001;
  static uint64_t times[kRuns];
  for (const Interpreter* interpreter : kInterpreters) {
    if (!interpreter->find(dlsym)) continue;
    for (uint64_t& time : times) {
      NullSink sink;
      const uint64_t begin = Now();
      interpreter->capture(sink);
      time = Now() - begin;
    }
    std::nth_element(times, times + kRuns / 2, times + kRuns);
    dprintf(2, "median %llu %s\n", static_cast<unsigned long long>(times[kRuns / 2]),
            interpreter->name);
  }
}

void* RunCaptures(void*) {
  errno = 77;
  TextSink first;
  CaptureAll(first);
  if (errno != 77) first.Append("errno changed\n");
  for (int i = 1; i < Number("PROBE_REPEAT", 1); ++i) {
    TextSink next;
    CaptureAll(next);
    if (!(next == first)) first.Append("differs\n");
  }
  if (getenv("PROBE_TIME") != nullptr) PrintMedian();
  first.Append("end\n");
  first.Write();
  return nullptr;
}

thread_local int t_depth = 0;  // libpq's own calls come by here too

template <typename Function>
Function Real(const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    void* libpq = dlopen("libpq.so.5", RTLD_NOLOAD | RTLD_LAZY);
    if (libpq != nullptr) found = dlsym(libpq, name);
  }
  if (found == nullptr) abort();
  return reinterpret_cast<Function>(found);
}

}  // namespace
}  // namespace pqleash::stack

#define PROBE_EXPORT extern "C" __attribute__((visibility("default")))

// For those that call C themselves.
PROBE_EXPORT int probe_capture() {
  const int saved_errno = errno;
  if (getenv("PROBE_THREAD") != nullptr) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, pqleash::stack::RunCaptures, nullptr) != 0) abort();
    pthread_join(thread, nullptr);
  } else {
    pqleash::stack::RunCaptures(nullptr);
  }
  errno = saved_errno;
  return 0;
}

// What probe_capture is compared with.
PROBE_EXPORT int probe_nothing() { return 0; }

// A capture that says nothing.
PROBE_EXPORT int probe_silent() {
  pqleash::stack::NullSink sink;
  pqleash::stack::CaptureAll(sink);
  return 0;
}

PROBE_EXPORT void* PQconnectdb(const char* conninfo) {
  using pqleash::stack::t_depth;
  if (t_depth == 0) probe_capture();
  ++t_depth;
  void* result = pqleash::stack::Real<void* (*)(const char*)>("PQconnectdb")(conninfo);
  --t_depth;
  return result;
}

PROBE_EXPORT void* PQconnectStart(const char* conninfo) {
  using pqleash::stack::t_depth;
  if (t_depth == 0) probe_capture();
  ++t_depth;
  void* result = pqleash::stack::Real<void* (*)(const char*)>("PQconnectStart")(conninfo);
  --t_depth;
  return result;
}

// PHP loads its modules with RTLD_DEEPBIND, which would make them find libpq before us.
PROBE_EXPORT void* dlopen(const char* name, int flags) {
  static const auto real =
      reinterpret_cast<void* (*)(const char*, int)>(dlsym(RTLD_NEXT, "dlopen"));
  return real(name, flags & ~RTLD_DEEPBIND);
}
