// SPDX-License-Identifier: Apache-2.0
//
// Reading an interpreter's own structures, whose layout is known by heart and not from its headers.

#ifndef PQLEASH_SHIM_STACK_SCRIPT_PHP_PERL_MEMORY_H_
#define PQLEASH_SHIM_STACK_SCRIPT_PHP_PERL_MEMORY_H_

#include <sys/syscall.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "shim/support/raw_syscall.h"

namespace pqleash::stack {

// The layouts were checked where pointers have eight bytes and bit fields begin at the lowest bit.
inline constexpr bool kKnownMemoryModel =
    sizeof(void*) == 8 && std::endian::native == std::endian::little;

// Reads that cannot fault: an address is looked at only on a page that the kernel could read. For
// the length of one capture, on the thread that the interpreter runs on: what it refers to is not
// unmapped meanwhile.
class CheckedMemory {
 public:
  // False: `address` is misaligned for a T, or not readable; `*value` is unchanged.
  template <typename T>
  bool Read(uintptr_t address, T* value) {
    if (address % alignof(T) != 0 || !Readable(address, sizeof(T))) return false;
    memcpy(value, reinterpret_cast<const void*>(address), sizeof(T));
    return true;
  }

  // `size` bytes at `address`; empty: not readable, or longer than anything that we would show.
  std::string_view Text(uintptr_t address, size_t size) {
    if (size > kMaxText || !Readable(address, size)) return {};
    return {reinterpret_cast<const char*>(address), size};
  }

  // The bytes up to a NUL, or the first kMaxText of them.
  std::string_view CString(uintptr_t address) {
    const auto* text = reinterpret_cast<const char*>(address);
    size_t size = 0;
    while (size < kMaxText) {
      if (!Readable(address + size, 1)) return {};
      const size_t rest_of_page = kPage - (address + size) % kPage;
      const size_t limit = rest_of_page < kMaxText - size ? rest_of_page : kMaxText - size;
      const size_t length = strnlen(text + size, limit);
      size += length;
      if (length < limit) break;
    }
    return {text, size};
  }

  bool Readable(uintptr_t address, size_t size) {
    if (address < kPage || address + size < address) return false;
    if (size == 0) return true;
    const uintptr_t last = (address + size - 1) / kPage;
    for (uintptr_t page = address / kPage; page <= last; ++page) {
      if (!PageIsReadable(page)) return false;
    }
    return true;
  }

  static constexpr size_t kMaxText = 4096;

 private:
  static constexpr size_t kPage = 4096;  // the smallest page of both architectures
  static constexpr size_t kEntries = 64;

  bool PageIsReadable(uintptr_t page) {
    uintptr_t& known = known_[page % kEntries];
    if (known == page) return true;
    // rt_sigprocmask copies the new mask in before it looks at `how`: EINVAL says that it could
    // read there, EFAULT that it could not (kernel/signal.c; abseil's AddressIsReadable does the
    // same). An invalid `how` changes nothing.
    constexpr uintptr_t kInvalidHow = 0x7fffffff;
    constexpr size_t kKernelSigsetSize = 8;
    if (RawSyscall(SYS_rt_sigprocmask, kInvalidHow, page * kPage, 0, kKernelSigsetSize) != -EINVAL)
      return false;
    known = page;
    return true;
  }

  uintptr_t known_[kEntries] = {};  // pages seen to be readable; 0: none
};

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_SCRIPT_PHP_PERL_MEMORY_H_
