// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/definitions.h"

#include <dlfcn.h>

#include "shim/ledger/layout.h"
#include "shim/libpq/deep_bind.h"
#include "shim/libpq/names.h"
#include "shim/support/elf_symbol.h"
#include "shim/support/linker.h"
#include "shim/support/own_code.h"

namespace pqleash::libpq {

namespace {

// Looks in an object and its needed libraries. The needs of the main program are in the global
// scope, which RTLD_NEXT has searched already.
void* DefinitionForObject(const link_map* map, const char* name) {
  if (map == nullptr || map->l_name[0] == '\0') return nullptr;
  void* handle = dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return nullptr;
  void* definition = linker::LookUp(handle, name);
  dlclose(handle);
  return OwnCode(definition) ? nullptr : definition;
}

struct Search {
  const char* name;
  bool first = true;          // the main program, whose definitions precede ours
  void* in_libpq = nullptr;   // in an object called libpq
  void* elsewhere = nullptr;  // in any other object
};

int LookInto(dl_phdr_info* info, size_t, void* data) {
  auto* search = static_cast<Search*>(data);
  const bool main_program = search->first;
  search->first = false;
  if (main_program) return 0;
  const ElfW(Dyn)* dynamic = nullptr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
      dynamic = reinterpret_cast<const ElfW(Dyn)*>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
  }
  void* definition = FindFunction(dynamic, info->dlpi_addr, search->name);
  if (definition == nullptr || OwnCode(definition)) return 0;
  if (info->dlpi_name != nullptr && IsLibpqName(info->dlpi_name)) {
    search->in_libpq = definition;
    return 1;
  }
  if (search->elsewhere == nullptr) search->elsewhere = definition;
  return 0;
}

void* DefinitionAnywhere(const char* name) {
  Search search{name};
  dl_iterate_phdr(LookInto, &search);
  return search.in_libpq != nullptr ? search.in_libpq : search.elsewhere;
}

}  // namespace

const link_map* ObjectOf(const void* address) noexcept {
  Dl_info info = {};
  link_map* map = nullptr;
  if (address == nullptr ||
      dladdr1(address, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0) {
    return nullptr;
  }
  return map;
}

Definition FindDefinition(const char* name, const void* caller) noexcept {
  const link_map* map = ObjectOf(caller);
  const bool deep_bound = map != nullptr && AskedForDeepBind(map->l_name);
  Definition definition;
  definition.way = deep_bound ? ledger::kWayDeepBind : ledger::kWayBound;
  if (deep_bound) definition.address = DefinitionForObject(map, name);
  if (definition.address == nullptr) {
    definition.address = linker::LookUp(RTLD_NEXT, name);
    definition.global = definition.address != nullptr;
  }
  if (definition.address == nullptr) definition.address = DefinitionForObject(map, name);
  if (definition.address == nullptr) definition.address = DefinitionAnywhere(name);
  return definition;
}

}  // namespace pqleash::libpq
