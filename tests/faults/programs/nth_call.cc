// SPDX-License-Identifier: Apache-2.0
//
// nth_call ERROR WORK: the first, the second, … system call that is made under libpq's functions
// fails with ERROR; then the same with all that come behind it. The stand-in makes none: they are
// the library's.
//
// Each system call is turned into a signal (SECCOMP_RET_TRAP), whose handler makes it in the
// program's place, or not.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <csignal>
#include <cstddef>

#include "tests/faults/programs/nth.h"
#include "tests/faults/programs/unnamed_prctl.h"

// From within these bytes the filter lets everything through.
extern "C" long RealCall(long number, const long long* arguments);
extern "C" const char kRealCallEnd[];
asm(R"(
  .pushsection .text
  .balign 64
  .type RealCall, @function
RealCall:
  mov %rdi, %rax
  mov %rsi, %r11
  mov 0(%r11), %rdi
  mov 16(%r11), %rdx
  mov 24(%r11), %r10
  mov 32(%r11), %r8
  mov 40(%r11), %r9
  mov 8(%r11), %rsi
  syscall
  ret
  .balign 64
  .global kRealCallEnd
kRealCallEnd:
  nop
  .popsection
)");

namespace {

using faults::Attempt;
using faults::Order;
using faults::Seen;

Order order = {};
Attempt* attempt = nullptr;
int error = 0;
volatile bool armed = false;

// A handler's own mask is forgotten when it returns: what the program asked for goes into the mask
// that it returns to, but for SIGSYS, which must get through.
long ChangeMask(ucontext_t* context, const long long* arguments) {
  uint64_t mask;
  memcpy(&mask, &context->uc_sigmask, sizeof(mask));
  if (arguments[2] != 0) memcpy(reinterpret_cast<void*>(arguments[2]), &mask, sizeof(mask));
  if (arguments[1] == 0) return 0;
  // Some ask in this way whether memory can be read, and are to be told.
  const long long probe[6] = {arguments[0], arguments[1], 0, arguments[3], 0, 0};
  const long answer = RealCall(SYS_rt_sigprocmask, probe);
  if (answer != 0) return answer;
  uint64_t wanted;
  memcpy(&wanted, reinterpret_cast<void*>(arguments[1]), sizeof(wanted));
  if (arguments[0] == SIG_BLOCK) mask |= wanted;
  if (arguments[0] == SIG_UNBLOCK) mask &= ~wanted;
  if (arguments[0] == SIG_SETMASK) mask = wanted;
  mask &= ~(uint64_t{1} << (SIGSYS - 1));
  memcpy(&context->uc_sigmask, &mask, sizeof(mask));
  return 0;
}

void OnCall(int, siginfo_t* info, void* where) {
  auto* context = static_cast<ucontext_t*>(where);
  greg_t* registers = context->uc_mcontext.gregs;
  const long number = info->si_syscall;
  if (armed) {
    ++attempt->count;
    const bool fails = order.first != 0 && (order.all_behind ? attempt->count >= order.first
                                                             : attempt->count == order.first);
    if (fails) {
      attempt->last_failed = static_cast<int32_t>(number);
      registers[REG_RAX] = -error;
      return;
    }
  }
  const long long arguments[6] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                                  registers[REG_R10], registers[REG_R8],  registers[REG_R9]};
  registers[REG_RAX] =
      number == SYS_rt_sigprocmask ? ChangeMask(context, arguments) : RealCall(number, arguments);
}

void Install() {
  struct sigaction action = {};
  action.sa_sigaction = OnCall;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGSYS, &action, nullptr);
  const auto begin = reinterpret_cast<uintptr_t>(&RealCall);
  const auto end = reinterpret_cast<uintptr_t>(kRealCallEnd);
  const auto high = static_cast<uint32_t>(begin >> 32);
  constexpr auto kIp = offsetof(seccomp_data, instruction_pointer);
  // Cannot be made by a handler: they return on another stack, or not at all.
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 10, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 9, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 7, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 6, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kIp + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kIp),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, static_cast<uint32_t>(begin), 0, 1),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, static_cast<uint32_t>(end), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {sizeof(program) / sizeof(program[0]),
                             const_cast<sock_filter*>(program)};
  if (faults::UnnamedPrctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      faults::UnnamedPrctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    _exit(99);
}

class NthCall : public faults::Fault {
 public:
  void Begin(const Order& this_order, Attempt* this_attempt) override {
    order = this_order;
    attempt = this_attempt;
    Install();
    armed = true;
  }
  void Pause() override { armed = false; }
  void Resume() override { armed = true; }
  bool Forgives(const Order& this_order, const Attempt& tried) const override {
    // What was begun by a call that did what it should cannot be undone by one that does not.
    return tried.last_failed == SYS_close || tried.last_failed == SYS_rt_sigprocmask ||
           this_order.all_behind;
  }
};

void WorkMany(Seen* seen) { faults::WorkMany(100, seen); }

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  error = atoi(argv[1]);  // NOLINT(cert-err34-c): from our own table
  faults::WarmHeap();
  NthCall fault;
  faults::TryEach(strcmp(argv[2], "many") == 0 ? WorkMany : faults::WorkOnce, fault);
}
