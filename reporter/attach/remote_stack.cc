// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/remote_stack.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

#include "reporter/reachability/memory_map.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {

// What libdwfl hands its callbacks, one walk after the other.
struct StackWalk {
  const RemoteMemory& memory;
  int32_t tid;
  const user_regs_struct* registers;
  std::vector<CodePlace> stack;
};

namespace {

constexpr size_t kMaxFrames = 512;

// The file as the process sees it: it may have another root.
int OpenModule(int32_t pid, const char* name, uint64_t base) {
  const std::string path = fmt::format("/proc/{}/root{}", pid, name);
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file >= 0) return file;
  // One that was replaced or removed since: root may open what is mapped.
  const std::string maps = ReadProcFile(fmt::format("/proc/{}/maps", pid), kMaxMaps).value_or("");
  for (const Mapping& mapping : ParseMemoryMap(maps)) {
    if (mapping.range.begin != base || mapping.inode == 0) continue;
    const std::string mapped =
        fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, mapping.range.begin, mapping.range.end);
    file = open(mapped.c_str(), O_RDONLY | O_CLOEXEC);
  }
  return file;
}

thread_local int32_t opened_for = 0;

int FindElf(Dwfl_Module* module, void** user, const char* name, Dwarf_Addr base, char** file_name,
            Elf** elf) {
  if (name[0] != '/') return dwfl_linux_proc_find_elf(module, user, name, base, file_name, elf);
  return OpenModule(opened_for, name, base);
}

// Names and unwind tables of the file itself are enough, and nothing is asked of a server.
int FindNothing(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*, GElf_Word,
                char**) {
  return -1;
}

const Dwfl_Callbacks kCallbacks = {FindElf, FindNothing, nullptr, nullptr};

pid_t NextThread(Dwfl*, void* argument, void** thread) {
  if (*thread != nullptr) return 0;
  *thread = argument;
  return static_cast<StackWalk*>(argument)->tid;
}

bool GetThread(Dwfl*, pid_t, void* argument, void** thread) {
  *thread = argument;
  return true;
}

bool ReadMemoryWord(Dwfl*, Dwarf_Addr address, Dwarf_Word* word, void* argument) {
  const auto read = static_cast<StackWalk*>(argument)->memory.Word(address);
  if (read) *word = *read;
  return read.has_value();
}

bool SetRegisters(Dwfl_Thread* thread, void* argument) {
  const user_regs_struct& r = *static_cast<StackWalk*>(argument)->registers;
  const Dwarf_Word registers[] = {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8,
                                  r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip};
  return dwfl_thread_state_registers(thread, 0, std::size(registers), registers);
}

const Dwfl_Thread_Callbacks kThreadCallbacks = {NextThread,   GetThread, ReadMemoryWord,
                                                SetRegisters, nullptr,   nullptr};

int AddFrame(Dwfl_Frame* frame, void* argument) {
  auto* walk = static_cast<StackWalk*>(argument);
  if (walk->stack.size() >= kMaxFrames) return DWARF_CB_ABORT;
  Dwarf_Addr address = 0;
  bool active = false;
  if (!dwfl_frame_pc(frame, &address, &active)) return DWARF_CB_ABORT;
  if (!active) --address;
  Dwfl* dwfl = dwfl_thread_dwfl(dwfl_frame_thread(frame));
  Dwfl_Module* module = dwfl_addrmodule(dwfl, address);
  CodePlace place;
  if (module != nullptr) {
    const char* name =
        dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
    if (name != nullptr) place.file = FileName(name);
    const char* function = dwfl_module_addrname(module, address);
    if (function != nullptr) place.function = function;
  }
  walk->stack.push_back(std::move(place));
  return DWARF_CB_OK;
}

int Warm(Dwfl_Module* module, void**, const char*, Dwarf_Addr, void*) {
  Dwarf_Addr bias = 0;
  dwfl_module_getsymtab(module);
  dwfl_module_eh_cfi(module, &bias);
  return DWARF_CB_OK;
}

std::string ExecutableLines(int32_t pid) {
  const std::string maps = ReadProcFile(fmt::format("/proc/{}/maps", pid), kMaxMaps).value_or("");
  std::string lines;
  for (const Mapping& mapping : ParseMemoryMap(maps)) {
    if (!mapping.executable) continue;
    lines += fmt::format("{:x} {:x} {} {}\n", mapping.range.begin, mapping.range.end, mapping.inode,
                         mapping.path);
  }
  return lines;
}

}  // namespace

RemoteStack::RemoteStack(const RemoteMemory& memory, int32_t pid)
    : pid_(pid), walk_(std::make_unique<StackWalk>(StackWalk{memory, pid, nullptr, {}})) {}

RemoteStack::~RemoteStack() {
  if (dwfl_ != nullptr) dwfl_end(dwfl_);
}

void RemoteStack::Prepare() {
  std::string maps = ExecutableLines(pid_);
  if (dwfl_ != nullptr && maps == maps_) return;
  if (dwfl_ != nullptr) dwfl_end(dwfl_);
  dwfl_ = dwfl_begin(&kCallbacks);
  if (dwfl_ == nullptr) return;
  opened_for = pid_;
  maps_ = std::move(maps);
  dwfl_report_begin(dwfl_);
  if (dwfl_linux_proc_report(dwfl_, pid_) != 0) return;
  dwfl_report_end(dwfl_, nullptr, nullptr);
  dwfl_getmodules(dwfl_, Warm, nullptr, 0);
  dwfl_attach_state(dwfl_, nullptr, pid_, &kThreadCallbacks, walk_.get());
}

std::vector<CodePlace> RemoteStack::Walk(int32_t tid, const user_regs_struct& registers,
                                         bool* whole) {
  walk_->tid = tid;
  walk_->registers = &registers;
  walk_->stack.clear();
  *whole = dwfl_ != nullptr && dwfl_getthread_frames(dwfl_, tid, AddFrame, walk_.get()) == 0;
  return std::move(walk_->stack);
}

}  // namespace pqleash::reporter
