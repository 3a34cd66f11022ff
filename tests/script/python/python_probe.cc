// SPDX-License-Identifier: Apache-2.0
//
// Stands where the preload library would: a library that programs call, which captures their
// frames. A frame is a line `function|file|line`.

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "shim/stack/script/script_frames.h"

namespace pqleash::stack {
namespace {

class TextSink final : public ScriptSink {
 public:
  explicit TextSink(int limit) : limit_(limit) {}

  bool Add(ledger::Language language, std::string_view function, std::string_view file,
           uint32_t line) override {
    char number[32];
    std::snprintf(number, sizeof number, "|%u%s\n", line,
                  language == ledger::kPython ? "" : "|not Python");
    Append(function);
    Append("|");
    Append(file);
    Append(number);
    return ++count_ < limit_;
  }

  const char* text() const { return text_; }
  int count() const { return count_; }

 private:
  void Append(std::string_view part) {
    const size_t taken = std::min(part.size(), sizeof text_ - 1 - size_);
    memcpy(text_ + size_, part.data(), taken);
    size_ += taken;
    text_[size_] = '\0';
  }

  const int limit_;
  int count_ = 0;
  size_t size_ = 0;
  char text_[65536] = {};
};

class CountingSink final : public ScriptSink {
 public:
  bool Add(ledger::Language, std::string_view function, std::string_view file, uint32_t) override {
    bytes_ += function.size() + file.size();
    return ++count_ < 20;
  }
  int count() const { return count_; }

 private:
  int count_ = 0;
  size_t bytes_ = 0;
};

void* LookUp(void* handle, const char* name) { return dlsym(handle, name); }

template <typename Function>
Function Known(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace
}  // namespace pqleash::stack

namespace stack = pqleash::stack;

#define PROBE extern "C" __attribute__((visibility("default")))

// What runs inside a capture can tell by this.
PROBE volatile int probe_inside;
volatile int probe_inside = 0;

PROBE int probe_find() { return stack::kPython.find(stack::LookUp) ? 1 : 0; }

// The frames, at most `limit`; valid until the thread's next call.
PROBE const char* probe_capture(int limit) {
  static thread_local char text[65536];
  text[0] = '\0';
  if (!stack::kPython.find(stack::LookUp)) return "not found\n";
  stack::TextSink sink(limit);
  probe_inside = 1;
  stack::kPython.capture(sink);
  probe_inside = 0;
  strcpy(text, sink.text());  // NOLINT: of the same size
  return text;
}

// The object that `code` lies in.
PROBE const char* probe_code_module() {
  Dl_info info = {};
  if (dladdr(stack::kPython.code(), &info) == 0) return "none";
  return info.dli_sname != nullptr ? info.dli_sname : info.dli_fname;
}

PROBE int probe_errno() {
  errno = 77;
  probe_capture(64);
  return errno;
}

// 1: a capture leaves the thread's cancellation enabled, and no message for dlerror.
PROBE int probe_thread_is_untouched() {
  dlerror();
  probe_capture(64);
  int state = PTHREAD_CANCEL_DISABLE;
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
  return state == PTHREAD_CANCEL_ENABLE && dlerror() == nullptr;
}

// For PyDLL, which raises what is pending when it returns.
PROBE const char* probe_capture_with_pending_error() {
  auto* set = stack::Known<void (*)(void*, const char*)>("PyErr_SetString");
  auto** value_error = stack::Known<void**>("PyExc_ValueError");
  set(*value_error, "pending before the capture");
  return probe_capture(64);
}

// Captures while the thread's cancellation is pending, which stays so, and is never acted upon.
PROBE const char* probe_capture_when_cancelled() {
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
  pthread_cancel(pthread_self());
  const char* text = probe_capture(64);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  return text;
}

// A host that connects without the GIL and with a mutex of its own locked, for which another thread
// waits with the GIL: called by one as `probe_capture_with_mutex` (CDLL), by the other as
// `probe_wait_for_mutex` (PyDLL).
static pthread_mutex_t host_mutex = PTHREAD_MUTEX_INITIALIZER;
static std::atomic<int> host_step = 0;

PROBE const char* probe_capture_with_mutex() {
  pthread_mutex_lock(&host_mutex);
  host_step = 1;
  while (host_step != 2) sched_yield();
  const char* text = probe_capture(64);
  pthread_mutex_unlock(&host_mutex);
  return text;
}

PROBE void probe_wait_for_mutex() {
  while (host_step != 1) sched_yield();
  host_step = 2;
  pthread_mutex_lock(&host_mutex);
  pthread_mutex_unlock(&host_mutex);
}

// Captures on a thread that Python has never seen.
PROBE const char* probe_on_c_thread() {
  static char text[65536];
  pthread_t thread;
  const auto body = [](void*) -> void* {
    strcpy(text, probe_capture(64));  // NOLINT: of the same size
    return nullptr;
  };
  if (pthread_create(&thread, nullptr, body, nullptr) != 0) return "no thread";
  pthread_join(thread, nullptr);
  return text;
}

// Nanoseconds of one capture of at most 20 frames; -1: there were fewer.
PROBE long probe_time() {
  if (!stack::kPython.find(stack::LookUp)) return -1;
  stack::CountingSink sink;
  const auto before = std::chrono::steady_clock::now();
  stack::kPython.capture(sink);
  const auto after = std::chrono::steady_clock::now();
  if (sink.count() != 20) return -1;
  return static_cast<long>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(after - before).count());
}
