// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/redirection.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>

namespace pqleash::reporter {
namespace {

constexpr size_t kMaxObjects = 4'096;   // of the linker's list
constexpr size_t kObjectBytes = 1'280;  // of a link_map that are looked at; glibc's are some 1,160
constexpr size_t kPiece = size_t{1} << 20;
constexpr uint64_t kWord = sizeof(uint64_t);

bool OpensConnections(std::string_view function) {
  return function == "PQconnectdb" || function == "PQconnectdbParams" ||
         function == "PQsetdbLogin" || function == "PQconnectStart" ||
         function == "PQconnectStartParams";
}

// Which address takes the place of which.
class Replacements {
 public:
  Replacements(const Modules& modules, const attach::Order& answer) {
    const LoadedModule* library = modules.Library();
    const size_t copies = CountCopies(answer);
    for (const attach::Copy& copy : answer.copies) {
      if (copy.signature == 0 || copy.number == attach::kNoOffset) continue;
      for (const LoadedModule& module : modules.modules) {
        if (!module.is_libpq || module.symbols.Find("PQconnectStart") != copy.signature) continue;
        for (uint32_t i = 0; i < kFunctionCount; ++i) AddFunction(module, library, copy, i, copies);
      }
    }
    for (const std::string_view function : {"dlopen", "dlsym", "dlvsym"}) {
      const uint64_t ours = library != nullptr ? library->symbols.Find(function) : 0;
      for (const uint64_t address : modules.AllOfLibc(function)) {
        if (ours == 0) continue;
        slots_[address] = ours;
        originals_.emplace(ours, address);
      }
    }
  }

  // Each returns 0 if the word stays as it is.
  uint64_t ForSlot(uint64_t word) const { return Find(slots_, word); }
  uint64_t ForPointer(uint64_t word) const { return Find(pointers_, word); }
  uint64_t Original(uint64_t word) const { return Find(originals_, word); }
  bool IsOurs(uint64_t word) const { return originals_.contains(word); }
  bool opens(uint64_t original) const { return opening_.contains(original); }
  const std::unordered_map<uint64_t, uint64_t>& pointers() const { return pointers_; }
  const std::unordered_map<uint64_t, uint64_t>& originals() const { return originals_; }

 private:
  using Words = std::unordered_map<uint64_t, uint64_t>;

  static size_t CountCopies(const attach::Order& answer) {
    return static_cast<size_t>(
        std::count_if(std::begin(answer.copies), std::end(answer.copies),
                      [](const attach::Copy& copy) { return copy.signature != 0; }));
  }

  static uint64_t Find(const Words& words, uint64_t word) {
    const auto found = words.find(word);
    return found != words.end() ? found->second : 0;
  }

  // The exported wrapper asks the linker which copy of libpq a call means, as for a preload. With
  // several copies, a word gets the wrapper that is bound to its own. So does a pointer that the
  // program has taken, because nothing else says which copy it means.
  void AddFunction(const LoadedModule& module, const LoadedModule* library,
                   const attach::Copy& copy, uint32_t number, size_t copies) {
    const char* name = kFunctionNames[number];
    const auto found = module.symbols.functions.find(name);
    if (found == module.symbols.functions.end() || library == nullptr) return;
    const uint64_t wrapper = library->symbols.Find(name);
    const uint64_t bound =
        library->image.range.Contains(copy.wrappers[number]) ? copy.wrappers[number] : 0;
    for (const uint64_t address : found->second) {
      const uint64_t for_slot = copies == 1 || bound == 0 ? wrapper : bound;
      if (for_slot == 0) continue;
      slots_[address] = for_slot;
      pointers_[address] = bound != 0 ? bound : for_slot;
      if (OpensConnections(name)) opening_.insert(address);
      if (bound != 0) originals_.emplace(bound, address);
      // With several copies, nobody knows which one a later plugin means.
      if (copies == 1) originals_.emplace(wrapper, address);
    }
  }

  Words slots_;
  Words pointers_;
  Words originals_;
  std::set<uint64_t> opening_;
};

const LoadedModule* ModuleAt(const Modules& modules, uint64_t address) {
  for (const LoadedModule& module : modules.modules) {
    if (module.image.range.Contains(address)) return &module;
  }
  return nullptr;
}

// Calls look(address, word) with the aligned words of `range` that can be read.
template <typename Look>
void ForEachWord(const RemoteMemory& memory, const AddressRange& range, Look look) {
  std::vector<uint64_t> words(kPiece / kWord);
  for (uint64_t at = range.begin; at < range.end; at += kPiece) {
    const size_t size = std::min<uint64_t>(kPiece, range.end - at);
    const size_t got = memory.Read(at, words.data(), size) / kWord;
    for (size_t i = 0; i < got; ++i) look(at + i * kWord, words[i]);
  }
}

// Whether a program may keep addresses of functions there. Stacks are left out because they change
// all the time; the library and libpq, because their pointers are their own business.
bool MayHoldPointers(const Modules& modules, const Mapping& mapping) {
  if (!mapping.readable || !mapping.writable || mapping.shared) return false;
  if (mapping.path.starts_with("[stack") || mapping.path.starts_with("[v")) return false;
  const LoadedModule* module = ModuleAt(modules, mapping.range.begin);
  return module == nullptr || (!module->is_library && !module->is_libpq && !module->is_linker);
}

// Calls look(address, word) with each word of such memory that is one of `words`.
template <typename Look>
void ForEachPointer(const Modules& modules, const RemoteMemory& memory,
                    const std::unordered_map<uint64_t, uint64_t>& words, Look look) {
  uint64_t low = UINT64_MAX;
  uint64_t high = 0;
  for (const auto& [word, other] : words) {
    low = std::min(low, word);
    high = std::max(high, word);
  }
  for (const Mapping& mapping : modules.mappings) {
    if (low > high || !MayHoldPointers(modules, mapping)) continue;
    ForEachWord(memory, mapping.range, [&](uint64_t address, uint64_t word) {
      if (word >= low && word <= high && words.contains(word)) look(address, word);
    });
  }
}

// The linker's objects, in its own order; the first is the main program.
std::vector<uint64_t> LinkMaps(const Modules& modules, const RemoteMemory& memory,
                               uint64_t* library) {
  // struct r_debug: r_version, r_map; struct link_map: l_addr, l_name, l_ld, l_next, l_prev.
  constexpr uint64_t kMapAt = 8;
  constexpr uint64_t kDynamicAt = 16;
  constexpr uint64_t kNextAt = 24;
  std::vector<uint64_t> maps;
  *library = 0;
  const LoadedModule* own = modules.Library();
  const uint64_t debug = modules.debug;
  if (debug == 0 || own == nullptr) return maps;
  for (uint64_t map = memory.Word(debug + kMapAt).value_or(0);
       map != 0 && maps.size() < kMaxObjects; map = memory.Word(map + kNextAt).value_or(0)) {
    if (own->image.range.Contains(memory.Word(map + kDynamicAt).value_or(0))) *library = map;
    maps.push_back(map);
  }
  return maps;
}

struct Scope {
  uint64_t address = 0;  // of the array
  std::vector<uint64_t> objects;
};

// The main program's list is told by its content: an array of objects that begins with the main
// program and has the library in it. Its address and length stand in the main program's link_map.
Scope FindScope(const Modules& modules, const RemoteMemory& memory, uint64_t* library) {
  const std::vector<uint64_t> maps = LinkMaps(modules, memory, library);
  if (maps.empty() || *library == 0) return {};
  const std::set<uint64_t> known(maps.begin(), maps.end());
  for (uint64_t at = 0; at + 2 * kWord <= kObjectBytes; at += kWord) {
    const uint64_t array = memory.Word(maps.front() + at).value_or(0);
    const auto count = static_cast<uint32_t>(memory.Word(maps.front() + at + kWord).value_or(0));
    if (array % kWord != 0 || array == 0 || count < 2 || count > maps.size() + 8) continue;
    Scope scope = {array, std::vector<uint64_t>(count)};
    if (memory.Read(array, scope.objects.data(), count * kWord) != count * kWord) continue;
    const bool all_known = std::all_of(scope.objects.begin(), scope.objects.end(),
                                       [&](uint64_t map) { return known.contains(map); });
    if (!all_known || scope.objects.front() != maps.front()) continue;
    if (std::find(scope.objects.begin(), scope.objects.end(), *library) != scope.objects.end())
      return scope;
  }
  return {};
}

// Moves the library to the second place of the list, or to the last. The others keep their order.
std::vector<WordChange> MoveInScope(const Modules& modules, const RemoteMemory& memory,
                                    bool second) {
  uint64_t library = 0;
  const Scope scope = FindScope(modules, memory, &library);
  std::vector<WordChange> changes;
  if (scope.address == 0) return changes;
  std::vector<uint64_t> objects = scope.objects;
  objects.erase(std::find(objects.begin(), objects.end(), library));
  objects.insert(second ? objects.begin() + 1 : objects.end(), library);
  for (size_t i = 0; i < objects.size(); ++i) {
    if (objects[i] != scope.objects[i])
      changes.push_back({scope.address + i * kWord, scope.objects[i], objects[i]});
  }
  return changes;
}

}  // namespace

Redirection PlanAttach(const Modules& modules, const RemoteMemory& memory,
                       const attach::Order& answer) {
  Redirection plan;
  const Replacements replacements(modules, answer);
  const LoadedModule* library = modules.Library();
  if (library == nullptr) return plan;
  std::set<uint64_t> seen;
  std::vector<WordChange> opening;
  const auto add = [&](const WordChange& change, bool opens) {
    if (!seen.insert(change.address).second) return;
    (opens ? opening : plan.words).push_back(change);
  };
  for (const LoadedModule& module : modules.modules) {
    if (module.is_library || module.is_linker) continue;
    for (const Slot& slot : module.symbols.slots) {
      const auto word = memory.Word(slot.address);
      if (!word || !IsRedirected(slot.function) || library->image.range.Contains(*word)) continue;
      uint64_t after = replacements.ForSlot(*word);
      // A word that is not bound yet leads to the module's own table, and from there to the linker.
      const bool lazy = after == 0 && module.image.range.Contains(*word) &&
                        module.symbols.Find(slot.function) != *word;
      if (lazy) after = library->symbols.Find(slot.function);
      if (after == 0) {
        if (*word != 0) ++plan.foreign;
        continue;
      }
      add({slot.address, *word, after}, OpensConnections(slot.function));
    }
  }
  ForEachPointer(modules, memory, replacements.pointers(), [&](uint64_t address, uint64_t word) {
    add({address, word, replacements.ForPointer(word)}, replacements.opens(word));
  });
  plan.words.insert(plan.words.end(), opening.begin(), opening.end());
  plan.scope = MoveInScope(modules, memory, true);
  return plan;
}

Redirection PlanDetach(const Modules& modules, const RemoteMemory& memory,
                       const attach::Order& answer) {
  Redirection plan;
  const Replacements replacements(modules, answer);
  std::set<uint64_t> seen;
  const auto add = [&](uint64_t address, uint64_t word) {
    const uint64_t after = replacements.Original(word);
    if (after != 0 && seen.insert(address).second) plan.words.push_back({address, word, after});
  };
  for (const LoadedModule& module : modules.modules) {
    if (module.is_library || module.is_linker) continue;
    for (const Slot& slot : module.symbols.slots) {
      if (const auto word = memory.Word(slot.address)) add(slot.address, *word);
    }
  }
  ForEachPointer(modules, memory, replacements.originals(), add);
  plan.scope = MoveInScope(modules, memory, false);
  // Words of functions that open connections come first, so that no connection is opened half seen.
  std::stable_partition(plan.words.begin(), plan.words.end(),
                        [&](const WordChange& change) { return replacements.opens(change.after); });
  return plan;
}

}  // namespace pqleash::reporter
