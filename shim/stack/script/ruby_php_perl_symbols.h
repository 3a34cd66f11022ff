// SPDX-License-Identifier: Apache-2.0
//
// Finding an interpreter that was not linked against, and noticing that it has gone.

#ifndef PQLEASH_SHIM_STACK_SCRIPT_RUBY_PHP_PERL_SYMBOLS_H_
#define PQLEASH_SHIM_STACK_SCRIPT_RUBY_PHP_PERL_SYMBOLS_H_

#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "shim/stack/loader_state.h"
#include "shim/stack/script/callers.h"

namespace pqleash::stack {

using LookUp = void* (*)(void* handle, const char* name);

// Where an interpreter's symbols are looked up.
class Symbols {
 public:
  Symbols(LookUp look_up, void* handle) : look_up_(look_up), handle_(handle) {}

  // False, and `*result` is nullptr: there is none of this name.
  template <typename Pointer>
  bool Get(const char* name, Pointer* result) const {
    *result = reinterpret_cast<Pointer>(look_up_(handle_, name));
    return *result != nullptr;
  }
  bool Has(const char* name) const { return look_up_(handle_, name) != nullptr; }
  CodeRange RangeOf(const char* name) const { return CodeRange::Of(look_up_(handle_, name)); }

 private:
  const LookUp look_up_;
  void* const handle_;
};

// Calls `fill` with the symbols of each loaded object whose file name begins with `prefix`, until
// it returns true. RTLD_DEFAULT does not reach objects that came in by dlopen(RTLD_LOCAL):
// libphp.so in Apache, libperl.so under mod_perl and uWSGI, a libruby of an embedding program.
template <typename Fill>
bool AnyObjectNamed(LookUp look_up, std::string_view prefix, Fill fill) {
  // Our own library may wrap dlopen, and look for interpreters in the wrapper: ask for the next
  // one.
  const auto open = reinterpret_cast<decltype(&dlopen)>(look_up(RTLD_NEXT, "dlopen"));
  const auto close = reinterpret_cast<decltype(&dlclose)>(look_up(RTLD_NEXT, "dlclose"));
  if (open == nullptr || close == nullptr) return false;

  struct Search {
    std::string_view prefix;
    uint32_t skip;
    char path[PATH_MAX];
  };
  constexpr uint32_t kMaxObjects = 8;  // of that name, that are looked into
  for (uint32_t i = 0; i < kMaxObjects; ++i) {
    Search search;
    search.prefix = prefix;
    search.skip = i;
    const auto visit = [](dl_phdr_info* info, size_t, void* data) {
      auto* wanted = static_cast<Search*>(data);
      if (info->dlpi_name == nullptr) return 0;
      const std::string_view path = info->dlpi_name;
      if (path.size() >= sizeof wanted->path) return 0;
      const char* slash = strrchr(info->dlpi_name, '/');
      const std::string_view name = slash != nullptr ? slash + 1 : info->dlpi_name;
      if (!name.starts_with(wanted->prefix) || wanted->skip-- != 0) return 0;
      memcpy(wanted->path, path.data(), path.size());
      wanted->path[path.size()] = '\0';
      return 1;
    };
    if (dl_iterate_phdr(visit, &search) == 0) return false;
    void* handle = open(search.path, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) continue;  // unloaded in the meantime
    const bool filled = fill(Symbols(look_up, handle));
    // Nothing is pinned: Apache unloads its modules at each restart, and a libphp.so that stayed
    // would come back with the variables of its former life.
    close(handle);
    if (filled) return true;
  }
  return false;
}

// The functions of one interpreter. `Functions` is a struct of pointers and numbers with
//   bool Fill(const Symbols& symbols);  // false: not this interpreter, or no version that we know
//   bool operator==(const Functions&) const;
// Thread-safe, without a lock: tables are written once and then published.
template <typename Functions>
class LoadedInterpreter {
 public:
  // `prefix`: what the file name of its library begins with.
  explicit constexpr LoadedInterpreter(std::string_view prefix) : prefix_(prefix) {}

  bool Find(LookUp look_up) {
    look_up_.store(look_up, std::memory_order_release);
    return Refresh(ReadLoaderState().removed);
  }

  // nullptr: not found, or unloaded since then. What an address names is only known until the
  // linker has removed an object; then the interpreter is looked for again.
  const Functions* Get() {
    const Functions* functions = current_.load(std::memory_order_acquire);
    if (functions == nullptr) return nullptr;
    const uint64_t removed = ReadLoaderState().removed;
    if (removed == removed_.load(std::memory_order_relaxed)) return functions;
    return Refresh(removed) ? current_.load(std::memory_order_acquire) : nullptr;
  }

  // What was found last, with no look at whether it is still there.
  const Functions* Last() const { return current_.load(std::memory_order_acquire); }

 private:
  bool Refresh(uint64_t removed) {
    const Functions* const last = current_.load(std::memory_order_acquire);
    if (last != nullptr && removed == removed_.load(std::memory_order_relaxed)) return true;
    const LookUp look_up = look_up_.load(std::memory_order_acquire);
    Functions found = {};
    const bool here = found.Fill(Symbols(look_up, RTLD_DEFAULT)) ||
                      AnyObjectNamed(look_up, prefix_, [&](const Symbols& symbols) {
                        found = {};
                        return found.Fill(symbols);
                      });
    // A look-up that failed leaves a message behind, which a host could take for one of its own.
    dlerror();
    if (!here) {
      current_.store(nullptr, std::memory_order_release);
      return false;
    }
    if (last == nullptr || !(found == *last)) {
      // A table is written anew after seven others: after so many lives of the interpreter, no
      // capture can be under way with it.
      const uint32_t slot = claimed_.fetch_add(1, std::memory_order_relaxed) % kSlots;
      slots_[slot] = found;
      current_.store(&slots_[slot], std::memory_order_release);
    }
    removed_.store(removed, std::memory_order_relaxed);
    return true;
  }

  static constexpr uint32_t kSlots = 8;

  const std::string_view prefix_;
  std::atomic<LookUp> look_up_ = nullptr;
  std::atomic<uint64_t> removed_ = 0;
  std::atomic<uint32_t> claimed_ = 0;
  std::atomic<const Functions*> current_ = nullptr;
  Functions slots_[kSlots] = {};
};

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_SCRIPT_RUBY_PHP_PERL_SYMBOLS_H_
