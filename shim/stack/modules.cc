// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/modules.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "shim/stack/mapped_paths.h"
#include "shim/support/hash.h"
#include "shim/support/text.h"

namespace pqleash::stack {

namespace {

constexpr size_t kMaxPath = 512;

struct Object {
  uintptr_t begin;
  uintptr_t end;
  uintptr_t bias;
  uint32_t build_id_size;
  uint8_t build_id[ledger::kMaxBuildIdSize];
  char path[kMaxPath];
};

bool Inside(const Object& object, uintptr_t address, size_t size) {
  return address >= object.begin && address <= object.end && size <= object.end - address;
}

// NT_GNU_BUILD_ID of the notes at `address` (ELF gABI, note section; alignment 4 as GNU ld and lld
// write it).
void ReadBuildId(uintptr_t address, size_t size, Object* object) {
  while (size >= sizeof(ElfW(Nhdr))) {
    const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(address);
    const uint64_t name_size = (uint64_t{note->n_namesz} + 3) / 4 * 4;
    const uint64_t value_size = (uint64_t{note->n_descsz} + 3) / 4 * 4;
    const uint64_t whole = sizeof(*note) + name_size + value_size;
    if (whole > size) return;
    const auto* name = reinterpret_cast<const char*>(note + 1);
    if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0 &&
        note->n_descsz <= ledger::kMaxBuildIdSize) {
      object->build_id_size = note->n_descsz;
      memcpy(object->build_id, name + name_size, note->n_descsz);
      return;
    }
    address += whole;
    size -= whole;
  }
}

void ReadSegments(const dl_phdr_info& info, Object* object) {
  object->begin = UINTPTR_MAX;
  object->end = 0;
  object->bias = info.dlpi_addr;
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& segment = info.dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    object->begin = std::min<uintptr_t>(object->begin, info.dlpi_addr + segment.p_vaddr);
    object->end =
        std::max<uintptr_t>(object->end, info.dlpi_addr + segment.p_vaddr + segment.p_memsz);
  }
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& segment = info.dlpi_phdr[i];
    const uintptr_t address = info.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_NOTE && object->build_id_size == 0 &&
        Inside(*object, address, segment.p_memsz)) {
      ReadBuildId(address, segment.p_memsz, object);
    }
  }
}

// The main program has no name in the linker's list. `program` is its path; empty: not known yet.
void ReadPath(const dl_phdr_info& info, bool first, const char* program, Object* object) {
  if (info.dlpi_name != nullptr && info.dlpi_name[0] != '\0') {
    CopyText(info.dlpi_name, object->path);
  } else if (first && program[0] != '\0') {
    CopyText(program, object->path);
  } else if (first) {
    const ssize_t size = readlink("/proc/self/exe", object->path, kMaxPath - 1);
    object->path[std::max<ssize_t>(size, 0)] = '\0';
  }
}

uint64_t Identity(const Object& object) {
  Fnv1a hash;
  if (object.build_id_size > 0) {
    hash.Add(object.build_id, object.build_id_size);
  } else {
    const char* slash = strrchr(object.path, '/');
    hash.Add(std::string_view(slash != nullptr ? slash + 1 : object.path));
  }
  return hash.value();
}

}  // namespace

// What the linker had loaded, collected without any lock of ours.
struct Modules::Seen {
  uint32_t count;
  uint32_t total;
  char line[8192];  // for a look at the kernel's names
  const char* program;
  Object objects[kMaxLoadedModules];
};

void Modules::Use(ledger::Ledger* ledger, ledger::StringHeap* strings) {
  ledger_ = ledger;
  strings_ = strings;
}

int Modules::Collect(dl_phdr_info* info, size_t, void* data) {
  auto* seen = static_cast<Seen*>(data);
  const bool first = seen->total++ == 0;
  if (seen->count == kMaxLoadedModules) return 0;
  Object& object = seen->objects[seen->count];
  object.build_id_size = 0;
  memset(object.build_id, 0, sizeof(object.build_id));
  object.path[0] = '\0';
  ReadSegments(*info, &object);
  if (object.end <= object.begin) return 0;
  ReadPath(*info, first, seen->program, &object);
  ++seen->count;
  return 0;
}

// The linker names an object as it was asked for: ./plugin.so by a program, lib/x.so by a directory
// of LD_LIBRARY_PATH. Whoever reads the ledger is elsewhere, and so may this process be by then.
// Names that the kernel does not tell stay as they are.
void Modules::MakeAbsolute(Seen* seen) {
  constexpr uint32_t kMaxRelative = 128;
  MappedPath relative[kMaxRelative];
  uint32_t count = 0;
  for (uint32_t i = 0; i < seen->count && count < kMaxRelative; ++i) {
    Object& object = seen->objects[i];
    // The vdso has a name without a directory, and no file.
    if (object.path[0] != '/' && strchr(object.path, '/') != nullptr) {
      relative[count++] = {object.begin, object.path, sizeof object.path};
    }
  }
  if (count != 0) ReadMappedPaths(relative, count, seen->line, sizeof seen->line);
}

void Modules::Follow(const LoaderState& state) {
  {
    BoundedLockHolder lock(lock_);
    if (!lock.held() || (followed_once_ && followed_ == state)) return;
  }
  void* memory = TakeMemory();
  if (memory == nullptr) return;
  auto* seen = static_cast<Seen*>(memory);
  seen->count = seen->total = 0;
  seen->program = program_;
  dl_iterate_phdr(Collect, seen);
  MakeAbsolute(seen);
  {
    BoundedLockHolder lock(lock_);
    if (lock.held()) {
      Replace(*seen);
      followed_ = state;
      followed_once_ = true;
    }
  }
  GiveMemory(memory);
}

void Modules::Keep() {
  const ssize_t size = readlink("/proc/self/exe", program_, sizeof(program_) - 1);
  program_[std::max<ssize_t>(size, 0)] = '\0';
  keeps_.store(true, std::memory_order_relaxed);
}

// Too large for a thread's stack. Pages that are not touched cost nothing.
void* Modules::TakeMemory() {
  if (void* kept = kept_.exchange(nullptr, std::memory_order_acquire)) return kept;
  void* memory = mmap(nullptr, sizeof(Seen), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory != MAP_FAILED ? memory : nullptr;
}

void Modules::GiveMemory(void* memory) {
  void* none = nullptr;
  if (keeps_.load(std::memory_order_relaxed) &&
      kept_.compare_exchange_strong(none, memory, std::memory_order_release))
    return;
  munmap(memory, sizeof(Seen));
}

void Modules::Replace(const Seen& seen) {
  const uint32_t known = ledger::Load(ledger_->header().modules_used);
  bool still_loaded[kMaxLoadedModules] = {};
  const uint32_t limit = std::min<uint32_t>(known, sizeof(still_loaded));
  for (uint32_t i = 0; i < seen.count; ++i) {
    const Object& object = seen.objects[i];
    const uint32_t module = Book(seen, i);
    ranges_[i] = {object.begin, object.end, object.bias, Identity(object), module};
    if (module < limit) still_loaded[module] = true;
  }
  range_count_ = seen.count;
  std::sort(ranges_, ranges_ + range_count_,
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (uint32_t module = 0; module < limit; ++module) {
    auto& record = ledger_->At<ledger::Module>(ledger::kModules, module);
    if (still_loaded[module] || record.state != ledger::kModuleLoaded) continue;
    const ledger::SequenceGuard guard(record.sequence);
    ledger::Store<uint32_t>(record.state, ledger::kModuleUnloaded);
  }
}

// The ledger's record of an object: the one that it had before, or a new one.
uint32_t Modules::Book(const Seen& seen, uint32_t index) {
  const Object& object = seen.objects[index];
  const ledger::StringRef path = strings_->Intern(object.path);
  ledger::Header& header = ledger_->header();
  const uint32_t known = ledger::Load(header.modules_used);
  uint32_t number = known;
  // The linker's order is ours but for what was unloaded: begin where it was found last time.
  for (uint32_t step = 0; step < known; ++step) {
    const uint32_t candidate = (index + step) % known;
    const auto& record = ledger_->At<ledger::Module>(ledger::kModules, candidate);
    // One object loaded twice (dlmopen) has two records.
    const bool free_or_same = record.state != ledger::kModuleLoaded || record.bias == object.bias;
    if (free_or_same && record.path == path && record.build_id_size == object.build_id_size &&
        memcmp(record.build_id, object.build_id, object.build_id_size) == 0) {
      number = candidate;
      break;
    }
  }
  if (number == known && !ledger_->MakeRoom(ledger::kModules, number + 1)) {
    ledger::Count(header.unrecorded_modules);
    return kNoModule;
  }
  auto& record = ledger_->At<ledger::Module>(ledger::kModules, number);
  {
    const ledger::SequenceGuard guard(record.sequence);
    ledger::Store<uint32_t>(record.state, ledger::kModuleLoaded);
    ledger::Store<uint64_t>(record.bias, object.bias);
    ledger::Store<uint64_t>(record.begin, object.begin);
    ledger::Store<uint64_t>(record.end, object.end);
    ledger::Store(record.path, path);
    ledger::Store(record.build_id_size, object.build_id_size);
    ledger::StoreWords(record.build_id, object.build_id, sizeof(record.build_id));
  }
  if (number == known) ledger::StoreRelease(header.modules_used, known + 1);
  return number;
}

Location Modules::LocateOne(uintptr_t address) const {
  // The byte before: a call that never returns may be the last instruction of its object.
  const Range* end = ranges_ + range_count_;
  const Range* after = std::upper_bound(
      ranges_, end, address - 1, [](uintptr_t a, const Range& range) { return a < range.begin; });
  if (after != ranges_ && address - 1 < after[-1].end && after[-1].module != kNoModule) {
    return {after[-1].module, address - after[-1].bias, after[-1].identity};
  }
  return {kNoModule, address, 0};
}

bool Modules::Locate(const void* const* addresses, uint32_t count, Location* locations) {
  BoundedLockHolder lock(lock_);
  if (!lock.held()) return false;
  for (uint32_t i = 0; i < count; ++i)
    locations[i] = LocateOne(reinterpret_cast<uintptr_t>(addresses[i]));
  return true;
}

}  // namespace pqleash::stack
