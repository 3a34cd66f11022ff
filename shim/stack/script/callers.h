// SPDX-License-Identifier: Apache-2.0
//
// From which functions a call has come, for interpreters that show their end by nothing else.

#ifndef PQLEASH_SHIM_STACK_SCRIPT_CALLERS_H_
#define PQLEASH_SHIM_STACK_SCRIPT_CALLERS_H_

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace pqleash::stack {

// The code of one function; empty: not known, and then no call was made in it.
struct CodeRange {
  uintptr_t begin = 0;
  uintptr_t end = 0;

  // Of a function that its object's table of dynamic symbols names; otherwise empty. For the moment
  // when an interpreter is looked for, not for each call: it takes the linker's lock.
  static CodeRange Of(const void* function) {
    Dl_info info = {};
    void* found = nullptr;
    if (function == nullptr || dladdr1(function, &info, &found, RTLD_DL_SYMENT) == 0 ||
        found == nullptr || info.dli_saddr != function) {
      return {};
    }
    const auto begin = reinterpret_cast<uintptr_t>(function);
    return {begin, begin + static_cast<const ElfW(Sym)*>(found)->st_size};
  }

  // Whether a call that returns to `address` was made in it. A call that never returns may be the
  // last instruction of a function.
  bool Made(const void* address) const {
    const uintptr_t call = reinterpret_cast<uintptr_t>(address) - 1;
    return call >= begin && call < end;
  }
  bool operator==(const CodeRange&) const = default;
};

// The calls that the running thread is in, innermost first; some of our own come first. They are
// taken when they are asked for: most closes need none.
class Callers {
 public:
  // Deep enough for the end of an interpreter to be seen from the close of a connection: there are
  // objects within objects, and finalisers in the interpreter's language.
  static constexpr int kMax = 96;

  // `take` stores at most `capacity` return addresses and says how many.
  explicit Callers(int (*take)(void** addresses, int capacity)) : take_(take) {}
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;

  // Valid while this object lives.
  std::span<void* const> Get() const {
    if (count_ < 0) count_ = take_(addresses_, kMax);
    return {addresses_, static_cast<size_t>(count_)};
  }

  // Which of them is the innermost that was made in one of `ranges`, as an index into Get(); its
  // size: none.
  size_t Innermost(std::initializer_list<CodeRange> ranges) const {
    const std::span<void* const> addresses = Get();
    const auto found = std::find_if(addresses.begin(), addresses.end(), [&](const void* address) {
      return std::any_of(ranges.begin(), ranges.end(),
                         [&](const CodeRange& range) { return range.Made(address); });
    });
    return static_cast<size_t>(found - addresses.begin());
  }

 private:
  int (*const take_)(void** addresses, int capacity);
  mutable int count_ = -1;  // not taken yet
  mutable void* addresses_[kMax];
};

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_SCRIPT_CALLERS_H_
