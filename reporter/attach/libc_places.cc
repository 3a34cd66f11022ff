// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/libc_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "reporter/attach/thread_places.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"
#include "shim/attach/order.h"

namespace pqleash::reporter {
namespace {

constexpr std::string_view kLinkers[] = {"dlopen", "dlsym", "dlvsym"};
// Looked up besides those that are redirected.
constexpr std::string_view kLookedUp[] = {"mmap",  "munmap",           "memfd_create",
                                          "close", "__errno_location", "_r_debug"};

bool Among(const auto& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool IsLibc(const LoadedModule& module) {
  const std::string_view name = FileName(module.image.path);
  return name == "libc.so.6" || name.starts_with("libc-2.") || name == "libdl.so.2" ||
         name.starts_with("libdl-2.");
}

// mov $15, %rax; syscall: glibc's return from a signal handler, which unwinders know by these
// bytes.
constexpr std::array<uint8_t, 9> kRestorer = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};

uint64_t FindRestorer(const Modules& modules, const LoadedModule& libc,
                      const RemoteMemory& memory) {
  for (const Mapping& mapping : modules.mappings) {
    if (!mapping.executable || !libc.image.range.Contains(mapping.range.begin)) continue;
    std::vector<uint8_t> code(mapping.range.size());
    code.resize(memory.Read(mapping.range.begin, code.data(), code.size()));
    const auto found = std::search(code.begin(), code.end(), kRestorer.begin(), kRestorer.end());
    if (found != code.end())
      return mapping.range.begin + static_cast<uint64_t>(found - code.begin());
  }
  return 0;
}

// The code of __errno_location: mov offset(%rip), %rax; add %fs:0, %rax; ret. The word that is read
// is what the dynamic linker has put there.
std::optional<int64_t> FindErrno(uint64_t function, const RemoteMemory& memory) {
  constexpr std::array<uint8_t, 3> kLoad = {0x48, 0x8b, 0x05};
  constexpr std::array<uint8_t, 9> kAdd = {0x64, 0x48, 0x03, 0x04, 0x25, 0, 0, 0, 0};
  std::array<uint8_t, 32> code = {};
  if (function == 0 || memory.Read(function, code.data(), code.size()) != code.size())
    return std::nullopt;
  const auto load = std::search(code.begin(), code.begin() + 12, kLoad.begin(), kLoad.end());
  if (load == code.begin() + 12) return std::nullopt;
  const auto at = static_cast<size_t>(load - code.begin());
  if (std::memcmp(code.data() + at + 7, kAdd.data(), kAdd.size()) != 0) return std::nullopt;
  int32_t distance = 0;
  std::memcpy(&distance, code.data() + at + 3, sizeof distance);
  const auto word = memory.Word(function + at + 7 + static_cast<uint64_t>(int64_t{distance}));
  if (!word) return std::nullopt;
  return static_cast<int64_t>(*word);
}

}  // namespace

bool IsRedirected(std::string_view function) {
  if (!function.starts_with("PQ") && !function.starts_with("lo_") && !function.starts_with("dl"))
    return false;
  return Among(kFunctionNames, function) || Among(kLinkers, function);
}

const LoadedModule* Modules::Library() const {
  const auto found = std::find_if(modules.begin(), modules.end(),
                                  [](const LoadedModule& module) { return module.is_library; });
  return found != modules.end() ? &*found : nullptr;
}

const LoadedModule* Modules::Linker() const {
  const auto found = std::find_if(modules.begin(), modules.end(),
                                  [](const LoadedModule& module) { return module.is_linker; });
  return found != modules.end() ? &*found : nullptr;
}

uint64_t Modules::FunctionOfLibc(std::string_view function) const {
  const std::vector<uint64_t> all = AllOfLibc(function);
  return all.empty() ? 0 : all.front();
}

std::vector<uint64_t> Modules::AllOfLibc(std::string_view function) const {
  std::vector<uint64_t> all;
  for (const LoadedModule& module : modules) {
    if (!IsLibc(module)) continue;
    const auto found = module.symbols.functions.find(function);
    if (found != module.symbols.functions.end())
      all.insert(all.end(), found->second.begin(), found->second.end());
  }
  return all;
}

Modules ReadModules(int32_t pid, const RemoteMemory& memory) {
  Modules result;
  const auto read = [&](uint64_t address, void* to, size_t size) {
    return memory.Read(address, to, size);
  };
  result.mappings =
      ParseMemoryMap(ReadProcFile(fmt::format("/proc/{}/maps", pid), kMaxMaps).value_or(""));
  const auto wanted = [](std::string_view name) {
    return IsRedirected(name) || Among(kLookedUp, name) || name == attach::kEntry;
  };
  for (ModuleImage& image : ReadModuleImages(result.mappings, read)) {
    LoadedModule module;
    module.symbols = ReadImageSymbols(image, read, wanted);
    module.is_linker = IsDynamicLinker(std::string(FileName(image.path)));
    module.is_library = module.symbols.Find(attach::kEntry) != 0;
    module.is_libpq = !module.is_library && module.symbols.Find("PQconnectStart") != 0 &&
                      module.symbols.Find("PQfinish") != 0 && module.symbols.Find("PQstatus") != 0;
    if (module.is_linker) result.debug = module.symbols.FindVariable("_r_debug");
    module.image = std::move(image);
    result.modules.push_back(std::move(module));
  }
  return result;
}

std::string FindLibcPlaces(const Modules& modules, const RemoteMemory& memory, LibcPlaces* places) {
  const auto libc =
      std::find_if(modules.modules.begin(), modules.modules.end(), [](const LoadedModule& module) {
        return IsLibc(module) && module.symbols.Find("mmap") != 0;
      });
  if (libc == modules.modules.end()) return "its libc";
  places->mmap = modules.FunctionOfLibc("mmap");
  places->munmap = modules.FunctionOfLibc("munmap");
  places->dlopen = modules.FunctionOfLibc("dlopen");
  places->memfd_create = modules.FunctionOfLibc("memfd_create");
  places->close = modules.FunctionOfLibc("close");
  places->restorer = FindRestorer(modules, *libc, memory);
  places->errno_ = FindErrno(modules.FunctionOfLibc("__errno_location"), memory);
  if (places->munmap == 0 || places->dlopen == 0) return "dlopen of its libc";
  if (places->restorer == 0) return "the return from signal handlers of its libc";
  return {};
}

}  // namespace pqleash::reporter
