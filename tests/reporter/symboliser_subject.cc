// SPDX-License-Identifier: Apache-2.0
//
// Prints a return address inside of itself as a ledger would hold it: address minus bias. The test
// knows the lines below by their remarks.

#include <link.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>

namespace subject {

int FirstModule(struct dl_phdr_info* info, size_t, void* bias) {
  *static_cast<uint64_t*>(bias) = info->dlpi_addr;
  return 1;
}

__attribute__((noinline)) int Print(const char* name) {
  uint64_t bias = 0;
  dl_iterate_phdr(FirstModule, &bias);
  const auto address = reinterpret_cast<uint64_t>(__builtin_return_address(0));
  return std::printf("%s %" PRIx64 "\n", name, address - bias);
}

template <typename Name>
inline __attribute__((always_inline)) int Inner(Name name) {
  const int size = Print(name);  // line of Inner
  return size + 1;
}

inline __attribute__((always_inline)) int Middle(const char* name) {
  return Inner(name) + 2;  // line of Middle
}

__attribute__((noinline)) int Outer(const char* name) {
  return Middle(name) + 3;  // line of Outer
}

}  // namespace subject

int main() { return subject::Outer("frame") > 0 ? 0 : 1; }
