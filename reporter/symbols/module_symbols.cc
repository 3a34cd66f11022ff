// SPDX-License-Identifier: Apache-2.0

#include "reporter/symbols/module_symbols.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "reporter/symbols/demangle.h"

namespace pqleash::reporter {
namespace {

const Dwfl_Callbacks kCallbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,  // .build-id, .gnu_debuglink, debuginfod
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = nullptr,
};

// Separate debug information of a file that we do not trust, from where root puts it: by build id
// alone. Everything else (.gnu_debuglink, debuginfod) lies where the file's owner says, and is
// opened without a look at what it is: a FIFO there would hold us for ever.
int FindByBuildId(Dwfl_Module* module, void** asked, const char* name, Dwarf_Addr base,
                  const char* file, const char* link, GElf_Word crc, char** found) {
  // Asked for again, for .gnu_debugaltlink of what was found: libdw has that by its build id, too.
  if (*asked != nullptr) return -1;
  *asked = module;
  return dwfl_build_id_find_debuginfo(module, asked, name, base, file, link, crc, found);
}

const Dwfl_Callbacks kCarefulCallbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = FindByBuildId,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = nullptr,
};

// -1: cannot be opened, or is not a regular file: a path from a ledger may name a device or a FIFO.
int OpenRegularFile(const std::string& path, struct stat* status) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd >= 0 && (fstat(fd, status) != 0 || !S_ISREG(status->st_mode))) {
    close(fd);
    return -1;
  }
  return fd;
}

// Whether whoever made a file is nobody that we need to be wary of. In another root (a container's)
// user 0 is not ours.
bool IsTrusted(const std::string& path, const struct stat& status) {
  return !path.starts_with("/proc/") && (status.st_uid == 0 || status.st_uid == geteuid());
}

bool HasSection(Elf* elf, std::string_view wanted) {
  size_t names = 0;
  if (elf_getshdrstrndx(elf, &names) != 0) return false;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    const char* name = elf_strptr(elf, names, header.sh_name);
    if (name != nullptr && name == wanted) return true;
  }
  return false;
}

// File, line and column alone.
SourceFrame LineAt(Dwarf_Die* unit, Dwarf_Addr address) {
  SourceFrame frame;
  Dwarf_Line* line = dwarf_getsrc_die(unit, address);
  const char* file = line == nullptr ? nullptr : dwarf_linesrc(line, nullptr, nullptr);
  if (file == nullptr) return frame;
  int number = 0;
  int column = 0;
  frame.file = file;
  if (dwarf_lineno(line, &number) == 0 && number > 0) frame.line = static_cast<uint32_t>(number);
  if (dwarf_linecol(line, &column) == 0 && column > 0) frame.column = static_cast<uint32_t>(column);
  return frame;
}

}  // namespace

ModuleSymbols::ModuleSymbols(const ModuleFile& module) {
  note_ = "file not found";
  for (const std::string& path : CandidatePaths(module)) {
    switch (Open(path, module.build_id)) {
      case Outcome::kOpened:
        note_.clear();
        return;
      case Outcome::kOtherBuildId:
        note_ = "file was replaced since";
        break;
      case Outcome::kNotElf:
        note_ = "file is not a program or library";
        break;
      case Outcome::kLeadsElsewhere:
        note_ = "debug information is in a file that another user chose";
        break;
      case Outcome::kMissing:
        break;
    }
  }
}

ModuleSymbols::Outcome ModuleSymbols::Open(const std::string& path, const std::string& build_id) {
  struct stat status;
  const int fd = OpenRegularFile(path, &status);
  if (fd < 0) return Outcome::kMissing;
  const bool trusted = IsTrusted(path, status);
  std::unique_ptr<Dwfl, EndSession> session(dwfl_begin(trusted ? &kCallbacks : &kCarefulCallbacks));
  if (!session) {
    close(fd);
    return Outcome::kNotElf;
  }
  dwfl_report_begin(session.get());
  // At base 0, addresses are those of the file, which is what a ledger holds.
  Dwfl_Module* module = dwfl_report_elf(session.get(), path.c_str(), path.c_str(), fd, 0, true);
  if (module == nullptr) {
    close(fd);
    return Outcome::kNotElf;
  }
  dwfl_report_end(session.get(), nullptr, nullptr);
  GElf_Addr bias = 0;
  Elf* elf = dwfl_module_getelf(module, &bias);
  if (elf == nullptr) return Outcome::kNotElf;
  // libdw follows it by itself, whatever it names, from debug information in the file. Stripped
  // programs keep the section, and lead nowhere.
  const bool has_debug_info = HasSection(elf, ".debug_info") || HasSection(elf, ".zdebug_info");
  if (!trusted && has_debug_info && HasSection(elf, ".gnu_debugaltlink"))
    return Outcome::kLeadsElsewhere;
  const unsigned char* bits = nullptr;
  GElf_Addr address = 0;
  const int size = dwfl_module_build_id(module, &bits, &address);
  const std::string_view found(reinterpret_cast<const char*>(bits),
                               size > 0 ? static_cast<size_t>(size) : 0);
  // A ledger keeps at most as many bytes as its record has room for.
  if (found.substr(0, 32) != build_id) return Outcome::kOtherBuildId;
  session_ = std::move(session);
  module_ = module;
  bias_ = bias;
  return Outcome::kOpened;
}

std::string ModuleSymbols::SymbolAt(GElf_Addr address) const {
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name =
      dwfl_module_addrinfo(module_, address, &offset, &symbol, nullptr, nullptr, nullptr);
  // A symbol without a size is only the nearest one before: it would send the reader to the wrong
  // function.
  if (name == nullptr || symbol.st_size == 0 || offset >= symbol.st_size) return {};
  return Demangle(name);
}

std::string ModuleSymbols::ObjectAt(uint64_t address) const {
  if (module_ == nullptr) return {};
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name =
      dwfl_module_addrinfo(module_, address + bias_, &offset, &symbol, nullptr, nullptr, nullptr);
  if (name == nullptr || offset >= symbol.st_size) return {};
  return Demangle(name) + (offset == 0 ? std::string() : fmt::format("+{:#x}", offset));
}

std::optional<CodeSegment> ModuleSymbols::Code() const {
  if (module_ == nullptr) return std::nullopt;
  GElf_Addr bias = 0;
  Elf* elf = dwfl_module_getelf(module_, &bias);
  size_t count = 0;
  if (elf == nullptr || elf_getphdrnum(elf, &count) != 0) return std::nullopt;
  for (size_t i = 0; i < count; ++i) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf, static_cast<int>(i), &segment) == nullptr) break;
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0) {
      return CodeSegment{segment.p_vaddr, segment.p_offset, segment.p_memsz};
    }
  }
  return std::nullopt;
}

std::vector<SourceFrame> ModuleSymbols::At(uint64_t return_address) const {
  if (module_ == nullptr || return_address == 0) return {};
  // The call lies before the address that it returns to, which may be on another line or in another
  // function.
  const GElf_Addr address = return_address - 1 + bias_;

  std::vector<SourceFrame> frames;
  Dwarf_Addr bias = 0;
  SourceFrame innermost;
  if (auto unit = units_.At(module_, address, &bias)) {
    innermost = LineAt(&*unit, address - bias);
    frames = inlined_.At(&*unit, address - bias, innermost);
  }
  if (frames.empty() && !innermost.file.empty()) frames.push_back(innermost);
  if (frames.empty()) frames.emplace_back();
  // The symbol table knows the full name of the function itself, where debug information may have
  // the bare one.
  if (frames.back().function.empty()) frames.back().function = SymbolAt(address);
  if (frames.size() == 1 && frames[0].function.empty() && frames[0].file.empty()) return {};
  return frames;
}

}  // namespace pqleash::reporter
