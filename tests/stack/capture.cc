// SPDX-License-Identifier: Apache-2.0

#include "tests/stack/capture.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>

namespace pqleash::stack {

constinit thread_local CaptureRequest t_request;

Oracles FindOracles() {
  const auto find = [](const char* library, const char* function) {
    void* handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    return reinterpret_cast<Oracle>(handle ? dlsym(handle, function) : nullptr);
  };
  return {find("libc.so.6", "backtrace"), find("libunwind.so.8", "unw_backtrace")};
}

const Oracles g_oracles = FindOracles();

__attribute__((noinline)) void TakeCapture() {
  Capture& capture = *t_request.capture;
  capture.our_count =
      CaptureStack(capture.ours, Capture::kCapacity, t_request.generation, &capture.result);
  if (t_request.ask_glibc) {
    capture.glibc_count = g_oracles.backtrace(capture.glibc, Capture::kCapacity);
  }
  if (t_request.ask_libunwind && g_oracles.unw_backtrace) {
    capture.libunwind_count = g_oracles.unw_backtrace(capture.libunwind, Capture::kCapacity);
  }
}

std::vector<void*> Capture::Ours() const { return {ours, ours + our_count}; }

std::vector<void*> Capture::Glibc() const {
  // Its first frame is TakeCapture itself.
  return glibc_count == 0 ? std::vector<void*>()
                          : std::vector<void*>(glibc + 1, glibc + glibc_count);
}

std::vector<void*> Capture::Libunwind() const {
  void* const* end = libunwind + libunwind_count;
  return {std::find(libunwind, end, our_count > 0 ? ours[0] : nullptr), end};
}

std::string Describe(const std::vector<void*>& addresses) {
  std::string text;
  for (void* address : addresses) {
    Dl_info info = {};
    char line[512];
    if (dladdr(address, &info) != 0) {
      std::snprintf(line, sizeof line, "  %p %s+%#tx %s\n", address, info.dli_fname,
                    static_cast<char*>(address) - static_cast<char*>(info.dli_fbase),
                    info.dli_sname ? info.dli_sname : "");
    } else {
      std::snprintf(line, sizeof line, "  %p\n", address);
    }
    text += line;
  }
  return text;
}

}  // namespace pqleash::stack
