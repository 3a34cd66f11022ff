// SPDX-License-Identifier: Apache-2.0
//
// nth_allocation WORK: the first, the second, … allocation under libpq's functions fails; then the
// same with all that come behind it. The stand-in's own do not: it is the library, and libc and
// the dynamic linker in its name, that ask in vain.

#include <link.h>

#include "tests/faults/programs/nth.h"

// glibc's own, under the names that it keeps for those who replace malloc.
extern "C" void* __libc_malloc(size_t size);
extern "C" void* __libc_calloc(size_t count, size_t size);
extern "C" void* __libc_realloc(void* memory, size_t size);
extern "C" void* __libc_memalign(size_t alignment, size_t size);

namespace {

using faults::Attempt;
using faults::Order;
using faults::Seen;

Order order = {};
Attempt* attempt = nullptr;
volatile bool armed = false;

struct Range {
  uintptr_t begin, end;
};
constexpr int kMaxRanges = 8;
Range failing[kMaxRanges];  // code whose allocations fail
int failing_count = 0;

int NoteObject(dl_phdr_info* info, size_t, void*) {
  const char* slash = strrchr(info->dlpi_name, '/');
  const char* name = slash != nullptr ? slash + 1 : info->dlpi_name;
  if (strncmp(name, "libpqleash", 10) != 0 && strncmp(name, "libc.so", 7) != 0 &&
      strncmp(name, "ld-linux", 8) != 0)
    return 0;
  for (int i = 0; i < info->dlpi_phnum && failing_count < kMaxRanges; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    failing[failing_count++] = {begin, begin + header.p_memsz};
  }
  return 0;
}

bool Fails(const void* caller) {
  if (!armed) return false;
  const auto address = reinterpret_cast<uintptr_t>(caller);
  for (int i = 0; i < failing_count; ++i) {
    if (address < failing[i].begin || address >= failing[i].end) continue;
    ++attempt->count;
    const bool fails = order.first != 0 && (order.all_behind ? attempt->count >= order.first
                                                             : attempt->count == order.first);
    if (fails) errno = ENOMEM;
    return fails;
  }
  return false;
}

class NthAllocation : public faults::Fault {
 public:
  void Begin(const Order& this_order, Attempt* this_attempt) override {
    dl_iterate_phdr(NoteObject, nullptr);
    order = this_order;
    attempt = this_attempt;
    armed = true;
  }
  void Pause() override { armed = false; }
  void Resume() override { armed = true; }
  bool Forgives(const Order&, const Attempt&) const override { return false; }
};

void WorkMany(Seen* seen) { faults::WorkMany(100, seen); }

}  // namespace

extern "C" {

void* malloc(size_t size) {
  return Fails(__builtin_return_address(0)) ? nullptr : __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  return Fails(__builtin_return_address(0)) ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  return Fails(__builtin_return_address(0)) ? nullptr : __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) {
  return Fails(__builtin_return_address(0)) ? nullptr : __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return Fails(__builtin_return_address(0)) ? nullptr : __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  if (Fails(__builtin_return_address(0))) return ENOMEM;
  *memory = __libc_memalign(alignment, size);
  return *memory != nullptr ? 0 : ENOMEM;
}

}  // extern "C"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  NthAllocation fault;
  faults::TryEach(strcmp(argv[1], "many") == 0 ? WorkMany : faults::WorkOnce, fault);
}
