// SPDX-License-Identifier: Apache-2.0

#include "shim/support/elf_needs.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>

#include "shim/support/raw_syscall.h"

namespace pqleash {

namespace {

constexpr uint32_t kMaxSegments = 64;
constexpr uint32_t kMaxEntries = 512;

// Reads a file with system calls only. The process that loads an object may not have started libc
// yet.
class File {
 public:
  explicit File(const char* path)
      : fd_(RawSyscall(SYS_openat, static_cast<uintptr_t>(AT_FDCWD),
                       reinterpret_cast<uintptr_t>(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~File() {
    if (fd_ >= 0) RawSyscall(SYS_close, static_cast<uintptr_t>(fd_));
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  bool Read(uint64_t offset, void* buffer, size_t size) const {
    return ReadSome(offset, buffer, size) == static_cast<long>(size);
  }
  // Reads a text at `offset`. Fills all `size` bytes of the buffer; bytes beyond the end of the
  // file are zero.
  void ReadText(uint64_t offset, char* buffer, size_t size) const {
    for (size_t i = 0; i < size; ++i) buffer[i] = '\0';
    if (ReadSome(offset, buffer, size) < 0) buffer[0] = '\0';
  }

 private:
  long ReadSome(uint64_t offset, void* buffer, size_t size) const {
    if (fd_ < 0) return -1;
    return RawSyscall(SYS_pread64, static_cast<uintptr_t>(fd_), reinterpret_cast<uintptr_t>(buffer),
                      size, offset);
  }

  const long fd_;
};

struct Segments {
  uint32_t count = 0;
  ElfW(Phdr) headers[kMaxSegments];

  // Returns the offset in the file of an address in memory, or 0 if no segment has it.
  uint64_t OffsetOf(uint64_t address) const {
    for (uint32_t i = 0; i < count; ++i) {
      const auto& segment = headers[i];
      if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
          address - segment.p_vaddr < segment.p_filesz) {
        return segment.p_offset + (address - segment.p_vaddr);
      }
    }
    return 0;
  }
};

bool HasMagic(const ElfW(Ehdr) & header) {
  for (int i = 0; i < SELFMAG; ++i) {
    if (header.e_ident[i] != static_cast<unsigned char>(ELFMAG[i])) return false;
  }
  return true;
}

bool ReadSegments(const File& file, Segments* segments) {
  ElfW(Ehdr) header = {};
  if (!file.Read(0, &header, sizeof(header)) || !HasMagic(header)) return false;
  constexpr int kClass = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
  if (header.e_ident[EI_CLASS] != kClass || header.e_phentsize != sizeof(ElfW(Phdr)) ||
      header.e_phnum > kMaxSegments) {
    return false;
  }
  segments->count = header.e_phnum;
  return file.Read(header.e_phoff, segments->headers, sizeof(ElfW(Phdr)) * header.e_phnum);
}

}  // namespace

bool FileNeeds(const char* path, bool (*wanted)(const char* name)) {
  const File file(path);
  Segments segments;
  if (!ReadSegments(file, &segments)) return false;
  uint64_t dynamic = 0;
  uint64_t entries = 0;
  for (uint32_t i = 0; i < segments.count; ++i) {
    if (segments.headers[i].p_type != PT_DYNAMIC) continue;
    dynamic = segments.headers[i].p_offset;
    entries = segments.headers[i].p_filesz / sizeof(ElfW(Dyn));
  }
  uint64_t strings = 0;
  uint64_t needed[32];
  uint32_t needed_count = 0;
  for (uint64_t i = 0; i < entries && i < kMaxEntries; ++i) {
    ElfW(Dyn) entry;
    if (!file.Read(dynamic + i * sizeof(entry), &entry, sizeof(entry)) || entry.d_tag == DT_NULL)
      break;
    if (entry.d_tag == DT_STRTAB) strings = segments.OffsetOf(entry.d_un.d_ptr);
    if (entry.d_tag == DT_NEEDED && needed_count < 32) needed[needed_count++] = entry.d_un.d_val;
  }
  if (strings == 0) return false;
  for (uint32_t i = 0; i < needed_count; ++i) {
    char name[128];
    file.ReadText(strings + needed[i], name, sizeof(name));
    name[sizeof(name) - 1] = '\0';
    if (wanted(name)) return true;
  }
  return false;
}

}  // namespace pqleash
