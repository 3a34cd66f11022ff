// SPDX-License-Identifier: Apache-2.0
//
// Stacks that no compiler and no thread library has made: an unwinder that trusts them crashes.

#include <sys/mman.h>
#include <ucontext.h>

#include <csetjmp>
#include <csignal>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

constexpr size_t kPage = 4096;

char* Map(size_t size) {
  return static_cast<char*>(
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

ucontext_t main_context;
ucontext_t other_context;

void MakeContext(ucontext_t* context, char* stack, size_t size, void (*run)()) {
  getcontext(context);
  context->uc_stack = {stack, 0, size};
  context->uc_link = &main_context;
  makecontext(context, run, 0);
}

int Context() {
  MakeContext(&other_context, Map(64 << 10), 64 << 10, Work);
  swapcontext(&main_context, &other_context);
  Work();
  return 0;
}

int ContextInHeap() {
  MakeContext(&other_context, static_cast<char*>(malloc(64 << 10)), 64 << 10, Work);
  swapcontext(&main_context, &other_context);
  return 0;
}

// As small as PTHREAD_STACK_MIN, with a page below that nobody may touch.
int ContextSmall() {
  constexpr size_t kSize = 16 << 10;
  char* stack = Map(kPage + kSize);
  mprotect(stack, kPage, PROT_NONE);
  MakeContext(&other_context, stack + kPage, kSize, Work);
  swapcontext(&main_context, &other_context);
  return 0;
}

PGconn* shared = nullptr;

// Begins on one stack, which is unmapped, and goes on on another.
int StackIsGone() {
  char* stack = Map(64 << 10);
  MakeContext(&other_context, stack, 64 << 10, [] { shared = Connect(); });
  swapcontext(&main_context, &other_context);
  munmap(stack, 64 << 10);
  Query(shared, "SELECT 1");
  Finish(shared);
  return 0;
}

int ManyFibers() {
  for (int i = 0; i < 300; ++i) {
    char* stack = Map(32 << 10);
    MakeContext(&other_context, stack, 32 << 10, [] { PQfinish(PQconnectdb("")); });
    swapcontext(&main_context, &other_context);
    munmap(stack, 32 << 10);
  }
  Say("over");
  return 0;
}

void SwitchBack() { swapcontext(&other_context, &main_context); }

// A callback of libpq's that leaves the stack and comes back later.
int SwitchInCallback() {
  MakeContext(&other_context, Map(64 << 10), 64 << 10, [] {
    PGconn* conn = Connect();
    PQsetNoticeProcessor(
        conn, [](void*, const char*) { SwitchBack(); }, nullptr);
    Query(conn, "DO $$ BEGIN RAISE NOTICE 'n'; END $$");
    Finish(conn);
  });
  swapcontext(&main_context, &other_context);
  Say("between");
  Work();
  swapcontext(&main_context, &other_context);
  return 0;
}

extern "C" void RunOnStack(char* top, void (*run)(), void* frame_pointer, void* return_address);
// Nothing here has unwind information: the frame pointer and what lies above are the caller's.
asm(R"(
.text
.globl RunOnStack
.type RunOnStack, @function
RunOnStack:
  push %rbx
  push %rbp
  push %r12
  mov %rsp, %rbx
  mov %rdi, %rsp
  mov %rdx, %rbp
  push %rcx
  push %rdx
  call *%rsi
  mov %rbx, %rsp
  pop %r12
  pop %rbp
  pop %rbx
  ret
.size RunOnStack, . - RunOnStack
)");

int Below(void* frame_pointer, void* return_address) {
  constexpr size_t kSize = 64 << 10;
  char* stack = Map(kSize + kPage);
  mprotect(stack + kSize, kPage, PROT_NONE);  // whoever reads on faults
  RunOnStack(stack + kSize - 64, Work, frame_pointer, return_address);
  Work();
  return 0;
}

int AtTheEdge() {
  constexpr size_t kSize = 64 << 10;
  char* stack = Map(kSize + kPage);
  mprotect(stack + kSize, kPage, PROT_NONE);
  RunOnStack(stack + kSize, Work, stack + kSize, nullptr);
  return 0;
}

int FrameLoop() {
  char* stack = Map(64 << 10);
  void** frame = reinterpret_cast<void**>(stack + (32 << 10));
  frame[0] = frame;
  frame[1] = reinterpret_cast<void*>(&FrameLoop);
  RunOnStack(stack + (16 << 10), Work, frame, reinterpret_cast<void*>(&FrameLoop));
  return 0;
}

// As a compiler at run time makes it: mov $Work, %rax; call *%rax; ret, without unwind tables.
int JustInTime() {
  unsigned char* code = reinterpret_cast<unsigned char*>(
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const unsigned char prologue[] = {0x48, 0x83, 0xec, 0x08, 0x48, 0xb8};
  const unsigned char epilogue[] = {0xff, 0xd0, 0x48, 0x83, 0xc4, 0x08, 0xc3};
  void (*target)() = Work;
  memcpy(code, prologue, sizeof(prologue));
  memcpy(code + sizeof(prologue), &target, sizeof(target));
  memcpy(code + sizeof(prologue) + sizeof(target), epilogue, sizeof(epilogue));
  mprotect(code, kPage, PROT_READ | PROT_EXEC);
  reinterpret_cast<void (*)()>(code)();
  mprotect(code, kPage, PROT_EXEC);  // not even to be read
  reinterpret_cast<void (*)()>(code)();
  munmap(code, kPage);
  Work();
  return 0;
}

sigjmp_buf inside;
sigjmp_buf outside;

// As libtask and others make a stack: a handler on an alternate stack that is left and re-entered.
int SignalStackCoroutine() {
  const stack_t stack = {Map(64 << 10), 0, 64 << 10};
  sigaltstack(&stack, nullptr);
  struct sigaction action = {};
  action.sa_flags = SA_ONSTACK;
  action.sa_handler = [](int) {
    if (sigsetjmp(inside, 1) == 0) return;
    Work();
    siglongjmp(outside, 1);
  };
  sigaction(SIGUSR1, &action, nullptr);
  raise(SIGUSR1);
  const stack_t none = {nullptr, SS_DISABLE, 0};
  sigaltstack(&none, nullptr);
  if (sigsetjmp(outside, 1) == 0) siglongjmp(inside, 1);
  Work();
  return 0;
}

int Recursion(int depth) {
  volatile char room[256];
  room[0] = 1;
  if (depth == 0) {
    Work();
    return room[0];
  }
  return Recursion(depth - 1) + room[0] - 1;
}

constexpr HostMode kModes[] = {
    {"context", Context},
    {"context_in_heap", ContextInHeap},
    {"context_small", ContextSmall},
    {"stack_is_gone", StackIsGone},
    {"many_fibers", ManyFibers},
    {"switch_in_callback", SwitchInCallback},
    {"frame_pointer_null", [] { return Below(nullptr, nullptr); }},
    {"frame_pointer_odd", [] { return Below(reinterpret_cast<void*>(0x12345671), nullptr); }},
    {"frame_pointer_high", [] { return Below(reinterpret_cast<void*>(-8L), nullptr); }},
    {"return_address_odd",
     [] { return Below(reinterpret_cast<void*>(8), reinterpret_cast<void*>(0xdeadbeefUL)); }},
    {"at_the_edge", AtTheEdge},
    {"frame_loop", FrameLoop},
    {"just_in_time", JustInTime},
    {"signal_stack_coroutine", SignalStackCoroutine},
    {"recursion", [] { return Recursion(10'000) - 1; }},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
