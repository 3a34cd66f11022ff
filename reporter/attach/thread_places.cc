// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/thread_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace pqleash::reporter {
namespace {

// Of libc, by their exported names: what they call inside it has none in a stripped libc, and is
// entered by way of them alone.
constexpr std::string_view kHolding[] = {
    // The allocator.
    "aligned_alloc", "calloc", "cfree", "free", "mallinfo", "mallinfo2", "malloc", "malloc_info",
    "malloc_stats", "malloc_trim", "memalign", "posix_memalign", "pvalloc", "realloc",
    "reallocarray", "valloc",
    // The dynamic linker's functions.
    "dl_iterate_phdr", "dladdr", "dladdr1", "dlclose", "dlerror", "dlinfo", "dlmopen", "dlopen",
    "dlsym", "dlvsym",
    // New processes, and ends.
    "_Fork", "_exit", "abort", "clone", "daemon", "exit", "fork", "forkpty", "popen", "posix_spawn",
    "posix_spawnp", "quick_exit", "system", "vfork",
    // Threads: their stacks and thread-local storage are the linker's business, too.
    "pthread_create", "pthread_exit", "pthread_getattr_np",
    // Locks of libc that the library takes when it makes its state.
    "atexit", "__cxa_atexit", "__cxa_finalize", "__register_atfork", "clearenv", "localtime",
    "localtime_r", "mktime", "openlog", "pthread_atfork", "putenv", "setenv", "strftime", "syslog",
    "tzset", "unsetenv", "vsyslog"};

// Allocators that programs bring with them.
constexpr std::string_view kAllocators[] = {"jemalloc", "libhoard", "mimalloc", "rpmalloc",
                                            "scudo",    "snmalloc", "tcmalloc"};
constexpr std::string_view kAllocatorPrefixes[] = {"je_", "mi_", "tc_", "tcmalloc"};

template <size_t size>
bool AnyOf(const std::string_view (&texts)[size], const auto& is) {
  return std::any_of(std::begin(texts), std::end(texts), is);
}

std::string_view WithoutPrefix(std::string_view function) {
  constexpr std::string_view kPrefix = "__libc_";
  if (function.starts_with(kPrefix)) function.remove_prefix(kPrefix.size());
  return function;
}

bool InAllocatorOfItsOwn(const CodePlace& place) {
  return AnyOf(kAllocators,
               [&](std::string_view name) { return place.file.find(name) != std::string::npos; }) ||
         AnyOf(kAllocatorPrefixes,
               [&](std::string_view prefix) { return place.function.starts_with(prefix); });
}

}  // namespace

bool IsDynamicLinker(const std::string& file) {
  return file.starts_with("ld-linux") || file.starts_with("ld-2.") || file.starts_with("ld.so");
}

std::string WhyNotHere(const std::vector<CodePlace>& stack, bool whole) {
  for (const CodePlace& place : stack) {
    if (IsDynamicLinker(place.file)) return "it is in the dynamic linker";
    if (InAllocatorOfItsOwn(place)) return "it is in the allocator";
    const std::string_view function = WithoutPrefix(place.function);
    if (AnyOf(kHolding, [&](std::string_view name) { return name == function; }))
      return fmt::format("it is in {}", place.function);
  }
  return whole && !stack.empty() ? "" : "its stack cannot be followed to the end";
}

}  // namespace pqleash::reporter
