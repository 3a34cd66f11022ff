// SPDX-License-Identifier: Apache-2.0

#include "shim/support/start_scope.h"

#include <atomic>
#include <cstdint>

#include "shim/support/elf_symbol.h"
#include "shim/support/link_map.h"
#include "shim/support/own_code.h"
#include "shim/support/plain_text.h"

namespace pqleash {

namespace {

// The number of objects at the start. UINT32_MAX while the program is still starting.
constinit std::atomic<uint32_t> objects_at_start{UINT32_MAX};
// The last of those objects. A library's constructor that ran before ours may have loaded one of
// them, and it can be unloaded. If the object in its place is another one, the number is no longer
// valid.
constinit std::atomic<const link_map*> last_at_start{nullptr};

const link_map* ObjectNumber(uint32_t number) {
  const link_map* map = FirstLoadedObject();
  for (uint32_t i = 0; map != nullptr && i < number; ++i) map = map->l_next;
  return map;
}

struct Visit {
  const char* name;
  uint32_t objects;
  bool in_scope;  // set from this library on, if the search begins behind it
  uint32_t seen = 0;
  ScopeSearch result = {nullptr, false};
};

int LookInto(dl_phdr_info* info, size_t, void* data) {
  auto* visit = static_cast<Visit*>(data);
  const uint32_t number = visit->seen++;
  if (info->dlpi_addr == reinterpret_cast<uintptr_t>(internal::__ehdr_start)) {
    visit->in_scope = true;
    return 0;
  }
  const ElfW(Dyn)* dynamic = nullptr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
      dynamic = reinterpret_cast<const ElfW(Dyn)*>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
  }
  if (!Defines(dynamic, info->dlpi_addr, visit->name)) return 0;
  visit->result.anywhere = true;
  if (!visit->in_scope || number >= visit->objects) return 0;
  // A variable is left to the linker, because it may be thread-local.
  visit->result.definition = FindFunction(dynamic, info->dlpi_addr, visit->name);
  return 1;
}

}  // namespace

bool LoadedLate() {
  for (const link_map* map = FirstLoadedObject(); map != nullptr; map = map->l_next) {
    if (map->l_addr == reinterpret_cast<uintptr_t>(internal::__ehdr_start)) return false;
    if (map->l_name != nullptr && plain::Same(plain::BaseName(map->l_name), "libc.so.6"))
      return true;
  }
  return false;
}

void NoteStartScope() {
  // Where objects have come and gone since, the list says nothing about the scope.
  if (LoadedLate()) {
    objects_at_start.store(0, std::memory_order_release);
    return;
  }
  uint32_t count = 0;
  const link_map* last = nullptr;
  for (const link_map* map = FirstLoadedObject(); map != nullptr; map = map->l_next) {
    last = map;
    ++count;
  }
  last_at_start.store(last, std::memory_order_relaxed);
  objects_at_start.store(count, std::memory_order_release);
}

bool LoadedAtStart(const link_map* map) {
  const uint32_t objects = objects_at_start.load(std::memory_order_acquire);
  const link_map* other = FirstLoadedObject();
  for (uint32_t i = 0; other != nullptr && i < objects; ++i, other = other->l_next) {
    if (other == map) return true;
  }
  return false;
}

ScopeSearch SearchStartScope(const char* name, bool after_us) {
  const uint32_t objects = objects_at_start.load(std::memory_order_acquire);
  if (objects == 0) return {nullptr, true};
  if (objects != UINT32_MAX &&
      ObjectNumber(objects - 1) != last_at_start.load(std::memory_order_relaxed))
    return {nullptr, true};
  Visit visit{name, objects, !after_us};
  dl_iterate_phdr(LookInto, &visit);
  return visit.result;
}

void* FindAtStart(const char* name) {
  const uint32_t objects = objects_at_start.load(std::memory_order_acquire);
  if (objects == UINT32_MAX) return nullptr;
  bool after_us = false;
  const link_map* map = FirstLoadedObject();
  for (uint32_t i = 0; map != nullptr && i < objects; ++i, map = map->l_next) {
    if (after_us) {
      if (void* definition = FindFunction(map->l_ld, map->l_addr, name)) return definition;
    }
    after_us |= map->l_addr == reinterpret_cast<uintptr_t>(internal::__ehdr_start);
  }
  return nullptr;
}

}  // namespace pqleash
