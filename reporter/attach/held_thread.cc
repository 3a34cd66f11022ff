// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/held_thread.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pqleash::reporter {
namespace {

#if !defined(__x86_64__)
#error "calls in another process are written for x86-64: see attacher_elsewhere.cc"
#endif

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::milliseconds(200);  // for a thread to stop
constexpr auto kGrace = std::chrono::seconds(10);           // for one that was late
constexpr useconds_t kPause = 10;                           // between two looks, in microseconds

// From the kernel's linux/errno.h: results of a system call that was cut short. The program never
// sees them.
constexpr int64_t kRestartSys = -512;
constexpr int64_t kRestartNoIntr = -513;
constexpr int64_t kRestartNoHandler = -514;
constexpr int64_t kRestartBlock = -516;

constexpr uint64_t kRedZone = 128;
// How much stack a function that is called on the thread's own stack may take, besides the frame.
constexpr uint64_t kSmallStack = 2048;

// The extended state without AMX's tiles, which lie at its end. A thread that may not use the tiles
// has no room for them in a signal's frame.
constexpr size_t kMaxExtended = 2752;
constexpr uint64_t kTiles = (uint64_t{1} << 17) | (uint64_t{1} << 18);
constexpr size_t kFeaturesAt = 512;  // XSTATE_BV, in the header behind the legacy area
constexpr size_t kSoftwareAt = 464;  // bytes of the legacy area that are the kernel's
constexpr uint32_t kMagic1 = 0x46505853;
constexpr uint32_t kMagic2 = 0x46505845;
constexpr size_t kLegacySize = 512;

// struct rt_sigframe of arch/x86/include/asm/sigframe.h, up to the signal's information, which is
// not read on the way back.
struct SignalFrame {
  uint64_t return_address;
  uint64_t flags;
  uint64_t link;
  uint64_t stack_pointer;
  uint64_t stack_flags;
  uint64_t stack_size;
  uint64_t registers[23];  // as glibc's gregset_t
  uint64_t extended;       // address
  uint64_t reserved[8];
  uint64_t mask;
};
constexpr uint64_t kFrameFlags = 1 | 2 | 4;  // UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
// The kernel refuses this setting of the alternate stack, so the thread's own setting stays.
constexpr uint64_t kNoSuchStack = 0x1234;

struct SoftwareBytes {
  uint32_t magic;
  uint32_t extended_size;
  uint64_t features;
  uint32_t state_size;
  uint32_t padding[7];
};
static_assert(sizeof(SoftwareBytes) == 48);

bool WasCutShort(int64_t result) {
  return result == kRestartSys || result == kRestartNoIntr || result == kRestartNoHandler ||
         result == kRestartBlock;
}

bool Continue(int32_t tid, int request, long signal = 0) {
  return ptrace(static_cast<__ptrace_request>(request), tid, nullptr, signal) == 0;
}

}  // namespace

HeldThread::HeldThread(const RemoteMemory& memory, int32_t tid) : memory_(memory), tid_(tid) {
  if (ptrace(PTRACE_SEIZE, tid, nullptr, PTRACE_O_TRACESYSGOOD) != 0) {
    error_ = errno;
    state_ = errno == ESRCH ? State::kTryAgain : State::kRefused;
    return;
  }
  since_ = Clock::now();
  ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
  int status = 0;
  if (!WaitForStop(Clock::now() + kPatience, &status)) {
    // The call ends with EINTR when the thread stops late. Waiting for it lets it go in the right
    // way.
    if (!WaitForStop(Clock::now() + kGrace, &status)) {
      state_ = State::kStuck;
      return;
    }
  }
  if (!WIFSTOPPED(status)) return;
  const int event = status >> 16;
  if (event != PTRACE_EVENT_STOP) {
    Continue(tid, PTRACE_DETACH, WSTOPSIG(status));
    return;
  }
  if (WSTOPSIG(status) != SIGTRAP) {
    state_ = State::kStopped;
    Continue(tid, PTRACE_DETACH);
    return;
  }
  if (!GetRegisters(&before_) || !Get(NT_X86_XSTATE, &extended_) ||
      extended_.size() < kFeaturesAt + sizeof(uint64_t) ||
      ptrace(PTRACE_GETSIGMASK, tid, sizeof mask_, &mask_) != 0) {
    Continue(tid, PTRACE_DETACH);
    return;
  }
  state_ = State::kHeld;
  // Some calls end with EINTR after a stop. The program must not see that, so they are begun anew.
  const bool in_call = static_cast<int64_t>(before_.orig_rax) >= 0;
  if (in_call && static_cast<int64_t>(before_.rax) == -EINTR) {
    before_.rax = static_cast<uint64_t>(kRestartNoHandler);
    SetRegisters(before_);
  }
}

HeldThread::~HeldThread() { LetGo(); }

bool HeldThread::InRestartableCall() const {
  return static_cast<int64_t>(before_.orig_rax) >= 0 &&
         WasCutShort(static_cast<int64_t>(before_.rax));
}

bool HeldThread::Get(long set, std::vector<uint8_t>* bytes) const {
  bytes->resize(size_t{32} * 1024);
  struct iovec area = {bytes->data(), bytes->size()};
  if (ptrace(PTRACE_GETREGSET, tid_, set, &area) != 0) return false;
  bytes->resize(area.iov_len);
  return true;
}

bool HeldThread::GetRegisters(user_regs_struct* registers) const {
  struct iovec area = {registers, sizeof *registers};
  return ptrace(PTRACE_GETREGSET, tid_, NT_PRSTATUS, &area) == 0 &&
         area.iov_len == sizeof *registers;
}

bool HeldThread::SetRegisters(const user_regs_struct& registers) const {
  user_regs_struct copy = registers;
  struct iovec area = {&copy, sizeof copy};
  return ptrace(PTRACE_SETREGSET, tid_, NT_PRSTATUS, &area) == 0;
}

void HeldThread::KeepErrno(uint64_t address) {
  int32_t value = 0;
  if (memory_.Read(address, &value, sizeof value) != sizeof value) return;
  errno_address_ = address;
  errno_ = value;
}

// Returns true if `status` is of a stop, or of the thread's end.
bool HeldThread::WaitForStop(Clock::time_point limit, int* status) {
  for (;;) {
    const pid_t got = waitpid(tid_, status, __WALL | WNOHANG);
    if (got == tid_) return true;
    if (got < 0 && errno != EINTR) {
      *status = 0;
      return true;
    }
    if (Clock::now() >= limit) return false;
    usleep(kPause);
  }
}

// The registers of the thread before its system call, if that was cut short; else as it was
// stopped.
user_regs_struct HeldThread::Anew() const {
  user_regs_struct registers = before_;
  if (InRestartableCall()) {
    registers.rip -= 2;  // the instruction of the system call
    registers.rax = registers.orig_rax;
  }
  registers.orig_rax = static_cast<uint64_t>(-1);
  return registers;
}

uint64_t HeldThread::FrameSize() const {
  return sizeof(SignalFrame) + 128 + std::min(extended_.size(), kMaxExtended) + 256;
}

bool HeldThread::BuildFrame(uint64_t top, uint64_t* frame) const {
  std::vector<uint8_t> state(
      extended_.begin(),
      extended_.begin() + static_cast<ptrdiff_t>(std::min(extended_.size(), kMaxExtended)));
  uint64_t features = 0;
  std::memcpy(&features, state.data() + kFeaturesAt, sizeof features);
  SoftwareBytes software = {};
  std::memcpy(&software.features, state.data() + kSoftwareAt, sizeof software.features);
  if (state.size() != extended_.size()) {
    features &= ~kTiles;
    software.features &= ~kTiles;
    std::memcpy(state.data() + kFeaturesAt, &features, sizeof features);
  }
  software.magic = kMagic1;
  software.extended_size = static_cast<uint32_t>(state.size() + sizeof kMagic2);
  software.state_size = static_cast<uint32_t>(state.size());
  std::memcpy(state.data() + kSoftwareAt, &software, sizeof software);
  const size_t end = state.size();
  state.resize(end + sizeof kMagic2);
  std::memcpy(state.data() + end, &kMagic2, sizeof kMagic2);

  SignalFrame content = {};
  const uint64_t extended = (top - state.size()) / 64 * 64;
  *frame = (extended - sizeof(SignalFrame) - 128) / 16 * 16 - 8;
  const user_regs_struct back = Anew();
  content.return_address = restorer_;
  content.flags = kFrameFlags;
  content.stack_flags = kNoSuchStack;
  uint64_t* registers = content.registers;
  registers[REG_R8] = back.r8;
  registers[REG_R9] = back.r9;
  registers[REG_R10] = back.r10;
  registers[REG_R11] = back.r11;
  registers[REG_R12] = back.r12;
  registers[REG_R13] = back.r13;
  registers[REG_R14] = back.r14;
  registers[REG_R15] = back.r15;
  registers[REG_RDI] = back.rdi;
  registers[REG_RSI] = back.rsi;
  registers[REG_RBP] = back.rbp;
  registers[REG_RBX] = back.rbx;
  registers[REG_RDX] = back.rdx;
  registers[REG_RAX] = back.rax;
  registers[REG_RCX] = back.rcx;
  registers[REG_RSP] = back.rsp;
  registers[REG_RIP] = back.rip;
  registers[REG_EFL] = back.eflags;
  registers[REG_CSGSFS] = (back.cs & 0xffff) | (back.ss & 0xffff) << 48;
  content.extended = extended;
  content.mask = mask_;
  return memory_.Write(extended, state.data(), state.size()) &&
         memory_.Write(*frame, &content, sizeof content);
}

// The thread stands at the entry of the return from a signal, which is not made, or where a call
// has failed. It goes on by way of a stop like the first one, because only there does the kernel
// look whether a system call goes on, and with what is left of its time.
void HeldThread::LetGo() {
  if (state_ != State::kHeld) return;
  state_ = State::kTryAgain;
  if (frame_ == 0) {
    Continue(tid_, PTRACE_DETACH);
    return;
  }
  if (errno_address_ != 0) memory_.Write(errno_address_, &errno_, sizeof errno_);
  std::vector<uint8_t> state = extended_;
  struct iovec area = {state.data(), state.size()};
  ptrace(PTRACE_SETREGSET, tid_, NT_X86_XSTATE, &area);
  ptrace(PTRACE_INTERRUPT, tid_, nullptr, nullptr);
  // The mask comes first: until the registers are set, the way back restores both.
  ptrace(PTRACE_SETSIGMASK, tid_, sizeof mask_, &mask_);
  SetRegisters(Anew());
  int status = 0;
  if (!Continue(tid_, PTRACE_CONT) || !WaitForStop(Clock::now() + kGrace, &status) ||
      !WIFSTOPPED(status))
    return;
  long signal = 0;
  if (status >> 16 == PTRACE_EVENT_STOP) {
    SetRegisters(before_);
  } else {
    signal = WSTOPSIG(status);  // the signal came first, and found the thread where it was
  }
  Continue(tid_, PTRACE_DETACH, signal);
}

bool HeldThread::AtReturn(const user_regs_struct& registers) const {
  return registers.orig_rax == SYS_rt_sigreturn && registers.rsp == frame_ + 8;
}

// The thread goes on with what it does, and comes back by itself.
std::nullopt_t HeldThread::Abandon(std::string why) {
  why_ = std::move(why);
  state_ = State::kTryAgain;
  ptrace(PTRACE_INTERRUPT, tid_, nullptr, nullptr);
  int status = 0;
  if (WaitForStop(Clock::now() + kPatience, &status) && WIFSTOPPED(status))
    Continue(tid_, PTRACE_DETACH);
  return std::nullopt;
}

std::optional<uint64_t> HeldThread::Call(uint64_t function,
                                         std::initializer_list<uint64_t> arguments,
                                         uint64_t stack_top, std::chrono::milliseconds patience) {
  why_.clear();
  last_result_ = 0;
  if (state_ != State::kHeld || function == 0 || restorer_ == 0) {
    why_ = "it is not held";
    return std::nullopt;
  }
  const uint64_t top = stack_top != 0 ? stack_top : before_.rsp - kRedZone;
  uint64_t frame = 0;
  if (!BuildFrame(top, &frame)) {
    why_ = "its stack cannot be written";
    return std::nullopt;
  }
  user_regs_struct registers = before_;
  constexpr uint64_t kTrapAndDirection = 0x500;
  registers.eflags &= ~kTrapAndDirection;
  unsigned long long* const places[] = {&registers.rdi, &registers.rsi, &registers.rdx,
                                        &registers.rcx, &registers.r8,  &registers.r9};
  size_t used = 0;
  for (const uint64_t argument : arguments) {
    if (used < std::size(places)) *places[used++] = argument;
  }
  registers.rip = function;
  registers.rsp = frame;
  registers.rax = 0;
  registers.orig_rax = static_cast<uint64_t>(-1);
  // The registers come first: once they are set, the way back is prepared, and it restores the
  // mask.
  frame_ = frame;
  const uint64_t all_signals = ~uint64_t{0};
  if (!SetRegisters(registers)) {
    why_ = "its registers cannot be set";
    return std::nullopt;
  }
  ptrace(PTRACE_SETSIGMASK, tid_, sizeof all_signals, &all_signals);

  const auto limit = Clock::now() + patience;
  long signal = 0;
  for (;;) {
    if (!Continue(tid_, PTRACE_SYSCALL, std::exchange(signal, 0))) {
      state_ = State::kTryAgain;
      why_ = "the process has ended";
      return std::nullopt;
    }
    int status = 0;
    if (!WaitForStop(limit, &status)) return Abandon("it takes too long");
    if (!WIFSTOPPED(status)) {
      state_ = State::kTryAgain;
      why_ = "the process has ended";
      return std::nullopt;
    }
    const int stop = WSTOPSIG(status);
    if (stop == (SIGTRAP | 0x80)) {
      user_regs_struct now;
      if (!GetRegisters(&now)) continue;
      // The function's own result is gone: the register holds the number of the return from a
      // signal.
      if (AtReturn(now)) return last_result_;
      last_result_ = now.rax;
      continue;
    }
    if (status >> 16 != 0) continue;  // a stop of the group, or the end of one
    // All signals that can be blocked are. So this one is a fault of the function that was called.
    why_ = fmt::format("it failed with signal {}", stop);
    return std::nullopt;
  }
}

}  // namespace pqleash::reporter
