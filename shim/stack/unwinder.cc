// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/unwinder.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unwind.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "shim/stack/cfi.h"
#include "shim/stack/go_call.h"
#include "shim/stack/rule_cache.h"
#include "shim/support/raw_syscall.h"

// Stack memory is read as the words that it holds, across every redzone.
#define PQLEASH_READS_FOREIGN_STACK \
  __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))

namespace pqleash::stack {
namespace {

// The registers of one frame.
struct Registers {
  uintptr_t pc;              // what is reported: a return address, or where a signal interrupted
  uintptr_t instruction_pc;  // inside the instruction that the frame is at
  uintptr_t sp;
  uintptr_t fp;
  uintptr_t link;  // the link register; 0: not known, as everywhere but below a signal
};

// ------------------------------------------------------------------------------------------
// What differs between instruction sets.

#if defined(__x86_64__)

constexpr Architecture kArchitecture = kX86_64;
constexpr int kAddressBits = 47;
constexpr bool kHasGoCall = true;
// mov $15,%rax; syscall: the restorer that every libc hands to the kernel.
constexpr uint8_t kSigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
// arch/x86/include/asm/sigframe.h: behind the return address begins the ucontext.
constexpr size_t kSignalContext = 0;
constexpr size_t kSignalPc = offsetof(ucontext_t, uc_mcontext.gregs) + REG_RIP * sizeof(greg_t);
constexpr size_t kSignalSp = offsetof(ucontext_t, uc_mcontext.gregs) + REG_RSP * sizeof(greg_t);
constexpr size_t kSignalFp = offsetof(ucontext_t, uc_mcontext.gregs) + REG_RBP * sizeof(greg_t);
constexpr size_t kSignalLink = 0;  // none

inline uintptr_t StripSignature(uintptr_t address) { return address; }

// Whether the instruction before `pc` is a call: e8 and a 32-bit distance, or ff /2 and an operand
// of up to 5 bytes.
constexpr uintptr_t kMaxCallSize = 7;
bool FollowsCall(uintptr_t pc) {
  const auto* code = reinterpret_cast<const uint8_t*>(pc);
  if (code[-5] == 0xe8) return true;
  for (int size = 2; size <= static_cast<int>(kMaxCallSize); ++size) {
    if (code[-size] == 0xff && (code[1 - size] >> 3 & 7) == 2) return true;
  }
  return false;
}

#elif defined(__aarch64__)

constexpr Architecture kArchitecture = kAarch64;
constexpr int kAddressBits = 52;
constexpr bool kHasGoCall = false;  // go_call.h knows amd64
constexpr uintptr_t kMaxCallSize = 4;
inline bool FollowsCall(uintptr_t) { return false; }
// mov x8, #139; svc #0: the vdso's __kernel_rt_sigreturn.
constexpr uint8_t kSigreturn[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4};
// arch/arm64/kernel/signal.c, struct rt_sigframe: a siginfo, then the ucontext.
constexpr size_t kSignalContext = sizeof(siginfo_t);
constexpr size_t kSignalPc = offsetof(ucontext_t, uc_mcontext.pc);
constexpr size_t kSignalSp = offsetof(ucontext_t, uc_mcontext.sp);
constexpr size_t kSignalFp = offsetof(ucontext_t, uc_mcontext.regs) + 29 * sizeof(uint64_t);
constexpr size_t kSignalLink = offsetof(ucontext_t, uc_mcontext.regs) + 30 * sizeof(uint64_t);

// Takes the pointer authentication code off; xpaclri, a no-op before Armv8.3 and on plain
// addresses.
inline uintptr_t StripSignature(uintptr_t address) {
  register uintptr_t link asm("x30") = address;
  asm("hint #7" : "+r"(link));
  return link;
}

#else
#error "pqleash unwinds x86-64 and aarch64"
#endif

// ------------------------------------------------------------------------------------------
// The rule of a pc, from the cache or from its object.

// dl_iterate_phdr rather than _dl_find_object: it exists everywhere, and while the callback runs
// no other thread can unmap the object. That matters for a pc that comes from a damaged stack.
struct ObjectQuery {
  uintptr_t pc;
  bool found;
  FrameRule rule;
};

int VisitObject(dl_phdr_info* info, size_t, void* argument) {
  ObjectQuery& query = *static_cast<ObjectQuery*>(argument);
  Image image = {};
  bool holds_pc = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_GNU_EH_FRAME) {
      image.eh_frame_hdr = reinterpret_cast<const uint8_t*>(begin);
    } else if (header.p_type == PT_LOAD) {
      holds_pc |= query.pc - begin < header.p_memsz;
      if ((header.p_flags & PF_R) && image.segment_count < Image::kMaxSegments) {
        image.segments[image.segment_count++] = {
            reinterpret_cast<const uint8_t*>(begin),
            reinterpret_cast<const uint8_t*>(begin + header.p_filesz)};
      }
    }
  }
  if (!holds_pc) return 0;
  query.found = true;
  if (image.eh_frame_hdr) query.rule = FindRule(image, kArchitecture, query.pc);
  return 1;
}

// The loader's lock is recursive, but a signal may come while it is half taken: its handler must
// not ask for it again then. This covers our own look-ups; a handler that interrupts the host's
// dlopen is as lost with us as with an exception.
[[gnu::tls_model("initial-exec")]] constinit thread_local bool t_in_loader = false;

[[gnu::noinline]] FrameRule ComputeRule(uint64_t pc, uint64_t generation) {
  ObjectQuery query = {pc, false, RuleOfKind(RuleKind::kNone)};
  volatile bool& in_loader = t_in_loader;
  if (in_loader) return query.rule;
  const int saved_errno = errno;
  in_loader = true;
  dl_iterate_phdr(VisitObject, &query);
  in_loader = false;
  // Nothing is noted where no object lies: one may be loaded there, which `generation` need not
  // tell.
  if (query.found) rule_cache.Store(pc, generation, query.rule);
  errno = saved_errno;
  return query.rule;
}

inline FrameRule RuleOf(uint64_t pc, uint64_t generation) {
  FrameRule rule;
  if (rule_cache.Find(pc, generation, rule)) return rule;
  return ComputeRule(pc, generation);
}

// ------------------------------------------------------------------------------------------
// Reading the stack.

constexpr uintptr_t kPage = 4096;  // the smallest page of both architectures

// Whether a page can be read. rt_sigprocmask copies the new mask before it looks at `how`, so that
// an invalid `how` gives EFAULT or EINVAL and changes nothing; no file descriptor is needed, and no
// sandbox forbids it. Anything else (a filter that answers in its own way) counts as unreadable.
bool PageIsReadable(uintptr_t page) {
  constexpr uintptr_t kInvalidHow = ~uintptr_t{0} >> 33;
  constexpr size_t kKernelSigsetSize = 8;
  return RawSyscall(SYS_rt_sigprocmask, kInvalidHow, page, 0, kKernelSigsetSize) == -EINVAL;
}

PQLEASH_READS_FOREIGN_STACK inline uintptr_t LoadWord(uintptr_t address) {
  return *reinterpret_cast<const volatile uintptr_t*>(address);
}

// Code is looked at rarely, a few bytes at a time; some hardened hosts map it execute-only.
bool CanReadCode(uintptr_t begin, uintptr_t end) {
  return PageIsReadable(begin & ~(kPage - 1)) && PageIsReadable((end - 1) & ~(kPage - 1));
}

// The pages [low, high) that this thread has seen to be readable, for its next walk. They are
// trusted only while SP lies among them: a thread's own stack cannot go away below it. What remains
// is a coroutine stack that was replaced by a shorter one at the same place and is damaged as well.
// initial-exec: a plain offset from the thread pointer, which never allocates.
struct VerifiedPages {
  uintptr_t low;
  uintptr_t size;  // 0: nothing is known
};
[[gnu::tls_model("initial-exec")]] constinit thread_local VerifiedPages t_verified = {0, 0};

class StackMemory {
 public:
  explicit StackMemory(uintptr_t sp) {
    const volatile VerifiedPages& verified = t_verified;
    low_ = verified.low;
    high_ = low_ + verified.size;
    if (verified.low != low_) high_ = low_;  // a signal handler has walked in between
    MoveTo(sp);
  }

  // Begins anew where the walk goes on in another stack.
  void MoveTo(uintptr_t sp) {
    if (sp - low_ < high_ - low_) return;
    low_ = high_ = sp & ~(kPage - 1);
    changed_ = true;
  }

  // Loads the word at `address`; false: misaligned or not readable.
  bool Read(uintptr_t address, uintptr_t& value) {
    const bool verified = address - low_ < high_ - low_;
    if ((address & 7) || (!verified && !Verify(address & ~(kPage - 1)))) return false;
    value = LoadWord(address);
    return true;
  }

  // Keeps what was verified for the next walk of this thread. A signal handler that comes in
  // between finds an empty range or a true one.
  void Publish() const {
    if (!changed_) return;
    volatile VerifiedPages& verified = t_verified;
    verified.size = 0;
    verified.low = low_;
    verified.size = high_ - low_;
  }

 private:
  // Frames of up to 256 KiB keep the range contiguous; beyond one, pages are probed at each visit.
  static constexpr uintptr_t kMaxGap = 64 * kPage;
  static constexpr int kMaxProbes = 1024;

  bool Probe(uintptr_t page) { return ++probes_ <= kMaxProbes && PageIsReadable(page); }

  [[gnu::noinline]] bool Verify(uintptr_t page) {
    if (page - high_ < kMaxGap) {
      while (high_ <= page && Probe(high_)) {
        high_ += kPage;
        changed_ = true;
      }
      if (high_ > page) return true;
    }
    return Probe(page);
  }

  uintptr_t low_ = 0;  // the verified pages: [low_, high_)
  uintptr_t high_ = 0;
  int probes_ = 0;
  bool changed_ = false;
};

// ------------------------------------------------------------------------------------------
// The walk.

enum class Step : uint8_t { kDone, kOutermost, kNoRule, kNotExpressible, kDamaged };

class Walk {
 public:
  Walk(const Registers& start, uint64_t generation)
      : registers_(start), memory_(start.sp), generation_(generation) {}

  // How the walk ended; `count` addresses were stored.
  Step Run(void** addresses, int capacity, int& count) {
    Registers registers = registers_;  // a copy that can live in machine registers
    Step step = Step::kDone;
    while (step == Step::kDone) {
      const FrameRule rule = RuleOf(registers.instruction_pc, generation_);
      if (rule.Kind() == RuleKind::kFrame) [[likely]] {
        step = StepByRule(rule, registers);
      } else {
        registers_ = registers;
        step = StepOtherwise(rule);
        registers = registers_;
      }
      if (step != Step::kDone || count == capacity) break;
      addresses[count++] = reinterpret_cast<void*>(registers.pc);
    }
    registers_ = registers;
    // A damaged chain may have led into memory that is no stack, and can go away.
    if (step != Step::kDamaged) memory_.Publish();
    return step;
  }

  // Where Go calls C on another stack: goes on in the goroutine's, by the frame pointers that Go
  // keeps. Other code that no rule leads out of (of a JIT compiler, say) is where a walk ends: what
  // its registers hold is anybody's guess. False: it is not Go's, and nothing was stored.
  bool RunGoroutine(void** addresses, int capacity, int& count, Step* step) {
    uintptr_t low = 0;
    uintptr_t high = 0;
    uintptr_t sp = 0;
    uintptr_t fp = registers_.fp;
    uintptr_t pc = 0;
    if (!FindGoroutine(low, high, sp)) return false;
    memory_.MoveTo(sp);
    if (!memory_.Read(sp, pc) || !IsBehindCall(pc)) return false;
    sp += sizeof pc;
    *step = Step::kDone;
    while (count < capacity) {
      addresses[count++] = reinterpret_cast<void*>(pc);
      // Frames lie one above the other, and their words inside of the stack.
      *step = Step::kNoRule;
      if (fp < sp || fp % 8 != 0 || high - fp < 2 * sizeof pc || fp >= high) return true;
      sp = fp + 2 * sizeof pc;
      if (!memory_.Read(fp + sizeof pc, pc) || !memory_.Read(fp, fp)) return true;
      // The first frame of a goroutine was made by hand, as if runtime.goexit had called it.
      if (fp == 0) *step = Step::kOutermost;
      if (!IsBehindCall(pc)) return true;
      *step = Step::kDone;
    }
    return true;
  }

 private:
  // The bounds of the stack of the goroutine that called, and its SP, which is at the return
  // address of the call.
  bool FindGoroutine(uintptr_t& low, uintptr_t& high, uintptr_t& sp) {
    const uintptr_t pc = registers_.pc;
    GoCall call = {};
    uintptr_t g = 0;
    uintptr_t depth = 0;
    return kHasGoCall && CanReadCode(pc, pc + kGoCallCode) &&
           DecodeGoCall(reinterpret_cast<const uint8_t*>(pc), &call) &&
           memory_.Read(registers_.sp + call.g_offset, g) &&
           memory_.Read(registers_.sp + call.depth_offset, depth) &&
           memory_.Read(g + kGoStackLow, low) && memory_.Read(g + kGoStackHigh, high) &&
           low < high && high - low <= kMaxGoStack && depth >= sizeof sp && depth <= high - low &&
           ((sp = high - depth) & 7) == 0;
  }

  static bool IsBehindCall(uintptr_t pc) {
    return IsPlausible(pc) && CanReadCode(pc - kMaxCallSize, pc) && FollowsCall(pc);
  }

  static bool IsPlausible(uintptr_t pc) { return pc >= kPage && pc >> kAddressBits == 0; }

  [[gnu::always_inline]] Step StepByRule(FrameRule rule, Registers& registers) {
    const uintptr_t sp = registers.sp;
    const uintptr_t fp = registers.fp;
    uintptr_t cfa = (rule.cfa_from_fp ? fp : sp) + Bytes(rule.cfa_words);
    if (rule.cfa_is_stored && !memory_.Read(cfa, cfa)) return Step::kDamaged;

    uintptr_t pc = registers.link;
    if (rule.ra_in_register) {
      // A leaf that a signal interrupted may have no frame at all.
      if (pc == 0 || cfa < sp) return Step::kDamaged;
    } else {
      if (cfa <= sp || !memory_.Read(cfa + Bytes(rule.ra_words), pc)) return Step::kDamaged;
    }
    uintptr_t caller_fp = fp;
    if (rule.Fp() == FpRule::kLost) {
      caller_fp = 0;
    } else if (rule.Fp() != FpRule::kUnchanged) {
      const uintptr_t base = rule.Fp() == FpRule::kAtCfa ? cfa : fp;
      if (!memory_.Read(base + Bytes(rule.fp_words), caller_fp)) return Step::kDamaged;
    }
    pc = StripSignature(pc);
    if (pc == 0) return Step::kOutermost;  // by convention, where there is no better mark
    if ((cfa & 7) || !IsPlausible(pc)) return Step::kDamaged;
    registers = {pc, pc - 1, cfa, caller_fp, 0};
    return Step::kDone;
  }

  [[gnu::noinline]] Step StepOtherwise(FrameRule rule) {
    switch (rule.Kind()) {
      case RuleKind::kOutermost:
        return Step::kOutermost;
      case RuleKind::kSignalFrame:
        return StepBySignalFrame();
      case RuleKind::kNotExpressible:
        return Step::kNotExpressible;
      default:
        return StepByEntry();
    }
  }

  // Where the pc has a rule and the byte before it none, the pc is the first instruction of a
  // function: no call has left it there as a return address, somebody has put it there by hand,
  // under the first frame of a new stack. makecontext does (with glibc's __start_context).
  Step StepByEntry() {
    const RuleKind kind = RuleOf(registers_.pc, generation_).Kind();
    if (kind == RuleKind::kSignalFrame) return StepBySignalFrame();
    return kind == RuleKind::kNone ? Step::kNoRule : Step::kOutermost;
  }

  // The kernel's own frame, told by the code of its trampoline. The interrupted frame may lie on
  // any other stack; endless rounds are stopped by the capacity.
  Step StepBySignalFrame() {
    const uintptr_t pc = registers_.pc;
    if (!CanReadCode(pc, pc + sizeof kSigreturn) ||
        std::memcmp(reinterpret_cast<const void*>(pc), kSigreturn, sizeof kSigreturn) != 0) {
      return Step::kNotExpressible;
    }
    const uintptr_t context = registers_.sp + kSignalContext;
    Registers interrupted = {};
    if (!memory_.Read(context + kSignalPc, interrupted.pc) ||
        !memory_.Read(context + kSignalSp, interrupted.sp) ||
        !memory_.Read(context + kSignalFp, interrupted.fp) ||
        (kSignalLink != 0 && !memory_.Read(context + kSignalLink, interrupted.link)) ||
        !IsPlausible(interrupted.pc) || interrupted.sp % 8 != 0) {
      return Step::kDamaged;
    }
    interrupted.instruction_pc = interrupted.pc;
    registers_ = interrupted;
    memory_.MoveTo(interrupted.sp);
    return Step::kDone;
  }

  static uintptr_t Bytes(int64_t words) { return static_cast<uintptr_t>(words) * 8; }

  Registers registers_;
  StackMemory memory_;
  const uint64_t generation_;
};

// ------------------------------------------------------------------------------------------
// The second opinion: libgcc's unwinder, which knows every register and every expression. Asked
// only for frames that have a rule we cannot express (hand-written assembly, practically); about
// code without any rule it knows nothing more than we do. And only where the process has libgcc_s
// anyway: glibc's backtrace(), which is the same unwinder, would load it, with the allocations and
// locks of that, into a host that does without; an incomplete stack is the lesser harm. Nor is
// `backtrace` to be called by name: where the host links libunwind, that would be libunwind's.

struct LibgccUnwinder {
  decltype(&_Unwind_Backtrace) backtrace = nullptr;
  decltype(&_Unwind_GetIP) get_ip = nullptr;
};

// Keeps libgcc_s loaded from the first success on, as backtrace() does.
LibgccUnwinder FindLibgccUnwinder() {
  static constinit std::atomic<void*> s_handle = nullptr;
  void* handle = s_handle.load(std::memory_order_acquire);
  if (handle == nullptr) {
    handle = dlopen("libgcc_s.so.1", RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    if (handle == nullptr) return {};
    s_handle.store(handle, std::memory_order_release);
  }
  LibgccUnwinder unwinder;
  unwinder.backtrace =
      reinterpret_cast<decltype(unwinder.backtrace)>(dlsym(handle, "_Unwind_Backtrace"));
  unwinder.get_ip = reinterpret_cast<decltype(unwinder.get_ip)>(dlsym(handle, "_Unwind_GetIP"));
  return unwinder;
}

struct Collection {
  decltype(&_Unwind_GetIP) get_ip;
  uintptr_t start_pc;  // where our walk began
  int skip;            // frames behind it that we have already
  void** addresses;
  int capacity;
  int count;
  bool started;
  bool truncated;
};

_Unwind_Reason_Code CollectFrame(_Unwind_Context* context, void* argument) {
  Collection& collection = *static_cast<Collection*>(argument);
  const uintptr_t pc = StripSignature(collection.get_ip(context));
  if (!collection.started) {
    collection.started = pc == collection.start_pc;
    return _URC_NO_REASON;
  }
  if (collection.skip > 0) {
    --collection.skip;
    return _URC_NO_REASON;
  }
  if (pc == 0) return _URC_END_OF_STACK;
  if (collection.count == collection.capacity) {
    collection.truncated = true;
    return _URC_END_OF_STACK;
  }
  collection.addresses[collection.count++] = reinterpret_cast<void*>(pc);
  return _URC_NO_REASON;
}

// Adds the frames that our walk, begun at `start_pc`, did not come to. False: there were none.
[[gnu::noinline]] bool FinishByLibgcc(uintptr_t start_pc, void** addresses, int capacity,
                                      int& count, uint64_t generation, CaptureResult* result) {
  const int saved_errno = errno;
  const LibgccUnwinder libgcc = FindLibgccUnwinder();
  Collection collection = {libgcc.get_ip, start_pc, count, addresses,
                           capacity,      count,    false, false};
  if (libgcc.backtrace && libgcc.get_ip) libgcc.backtrace(CollectFrame, &collection);
  errno = saved_errno;
  if (collection.count == count) return false;
  count = collection.count;
  const auto last = reinterpret_cast<uintptr_t>(addresses[count - 1]);
  result->method = StackMethod::kBacktrace;
  if (RuleOf(last - 1, generation).Kind() == RuleKind::kOutermost) {
    result->end = StackEnd::kOutermost;
  } else {
    result->end = collection.truncated ? StackEnd::kTruncated : StackEnd::kIncomplete;
  }
  return true;
}

StackEnd EndOf(Step step) {
  if (step == Step::kDone) return StackEnd::kTruncated;
  return step == Step::kOutermost ? StackEnd::kOutermost : StackEnd::kIncomplete;
}

int WalkStack(const Registers& start, void** addresses, int capacity, uint64_t generation,
              CaptureResult* result) {
  Walk walk(start, generation);
  int count = 0;
  Step step = walk.Run(addresses, capacity, count);
  if (step == Step::kNotExpressible && count < capacity &&
      FinishByLibgcc(start.pc, addresses, capacity, count, generation, result)) {
    return count;
  }
  if (step == Step::kNoRule && walk.RunGoroutine(addresses, capacity, count, &step)) {
    result->method = StackMethod::kFramePointer;
  }
  result->end = EndOf(step);
  return count;
}

}  // namespace

void UseStackBelow(size_t size) noexcept {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  volatile VerifiedPages& verified = t_verified;
  if (verified.size == 0 || here - verified.low >= verified.size) return;
  // From above: the kernel lets a stack grow by any step, a guard page does not.
  const uintptr_t low = (here - size) & ~(kPage - 1);
  auto* memory = static_cast<volatile char*>(__builtin_alloca(here - low));
  for (size_t at = here - low; at > 0; at -= std::min<size_t>(at, kPage)) memory[at - 1] = 0;
  const uintptr_t touched = (reinterpret_cast<uintptr_t>(memory) + kPage - 1) & ~(kPage - 1);
  if (touched >= verified.low) return;
  const uintptr_t high = verified.low + verified.size;
  verified.size = 0;
  verified.low = touched;
  verified.size = high - touched;
}

PQLEASH_READS_FOREIGN_STACK __attribute__((noinline)) int CaptureStackOfCaller(
    void** return_addresses, int capacity, uint64_t generation, CaptureResult* result) noexcept {
  Registers start = {};
  // __builtin_frame_address makes this function keep a frame record: {caller's FP, return address}.
  const auto* record = static_cast<const uintptr_t*>(__builtin_frame_address(0));
  start.fp = record[0];
  start.pc = StripSignature(reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
  start.instruction_pc = start.pc - 1;
#if defined(__x86_64__)
  start.sp = reinterpret_cast<uintptr_t>(record + 2);
#else
  start.sp = reinterpret_cast<uintptr_t>(__builtin_dwarf_cfa());
#endif
  *result = {StackEnd::kTruncated, StackMethod::kCfi};
  if (capacity <= 0) return 0;
  return WalkStack(start, return_addresses, capacity, generation, result);
}

}  // namespace pqleash::stack
