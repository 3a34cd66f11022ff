// SPDX-License-Identifier: Apache-2.0
//
// Ends that are less usual than those of programs/ending.cc.

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <csignal>
#include <exception>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

PGconn* held = nullptr;

int QuickExit() {
  at_quick_exit([] {
    Say("first");
    Finish(held);
  });
  at_quick_exit([] { Work(); });
  held = Connect();
  quick_exit(11);
}

int ExitInThread() {
  held = Connect();
  pthread_t thread;
  pthread_create(
      &thread, nullptr, [](void*) -> void* { exit(12); }, nullptr);
  pthread_join(thread, nullptr);
  return 1;
}

int ExitInHandler() {
  held = Connect();
  signal(SIGTERM, [](int) { exit(13); });
  atexit([] { Finish(held); });
  raise(SIGTERM);
  return 1;
}

int AbortHandled() {
  held = Connect();
  signal(SIGABRT, [](int) { Say("abort handler"); });
  abort();
}

int RawExitGroup() {
  held = Connect();
  syscall(SYS_exit_group, 14);
  return 1;
}

int ExitOfFirstThreadAlone() {
  held = Connect();
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        usleep(1000);
        Work();
        syscall(SYS_exit_group, 15);
        return nullptr;
      },
      nullptr);
  syscall(SYS_exit, 1);
  return 1;
}

int OnExit() {
  on_exit(
      [](int code, void* conn) {
        Say("code %d", code);
        Finish(static_cast<PGconn*>(conn));
      },
      Connect());
  return 16;
}

int ExecAtExit() {
  held = Connect();
  atexit([] { execl("/bin/echo", "echo", "from the next image", nullptr); });
  return 17;
}

int ForkAtExit() {
  held = Connect();
  atexit([] {
    const pid_t child = fork();
    if (child == 0) _exit(3);
    Reap(child);
  });
  return 18;
}

int Overflow(int depth) {
  volatile char room[1024] = {};
  room[depth % 1024] = 1;
  return depth == 0 ? 0 : Overflow(depth - 1) + room[0];
}

int StackOverflow() {
  held = Connect();
  const rlimit limit = {256 << 10, 256 << 10};
  setrlimit(RLIMIT_STACK, &limit);
  static char alternate[64 << 10];
  const stack_t stack = {alternate, 0, sizeof(alternate)};
  sigaltstack(&stack, nullptr);
  struct sigaction action = {};
  action.sa_flags = SA_ONSTACK;
  action.sa_handler = [](int) {
    Say("overflow");
    _exit(19);
  };
  sigaction(SIGSEGV, &action, nullptr);
  return Overflow(1 << 20);
}

int ExitInCallback() {
  PGconn* conn = Connect();
  PQsetNoticeProcessor(
      conn, [](void*, const char*) { exit(20); }, nullptr);
  Query(conn, "DO $$ BEGIN RAISE NOTICE 'n'; END $$");
  return 1;
}

int HandlersInOrder() {
  atexit([] { Say("one"); });
  Connect();
  atexit([] { Say("two"); });
  Connect();
  atexit([] { Say("three"); });
  Work();
  return 21;
}

int HandlerRegistersHandler() {
  Connect();
  atexit([] {
    atexit([] { Work(); });
    Say("registered");
  });
  return 22;
}

int Terminate() {
  std::set_terminate([] {
    Say("terminate handler");
    _exit(23);
  });
  Connect();
  std::terminate();
}

int KillSelf() {
  Connect();
  kill(getpid(), SIGKILL);
  return 1;
}

int CpuLimit() {
  held = Connect();
  const rlimit limit = {1, 1};
  setrlimit(RLIMIT_CPU, &limit);
  Work();
  raise(SIGXCPU);
  return 1;
}

int OutputFlushedAtExit() {
  printf("in the buffer");
  held = Connect();
  printf(", and more\n");
  return 24;
}

constexpr HostMode kModes[] = {
    {"quick_exit", QuickExit},
    {"in_thread", ExitInThread},
    {"in_handler", ExitInHandler},
    {"abort_handled", AbortHandled},
    {"raw", RawExitGroup},
    {"first_thread_alone", ExitOfFirstThreadAlone},
    {"on_exit", OnExit},
    {"exec_at_exit", ExecAtExit},
    {"fork_at_exit", ForkAtExit},
    {"stack_overflow", StackOverflow},
    {"in_callback", ExitInCallback},
    {"handlers_in_order", HandlersInOrder},
    {"handler_registers_handler", HandlerRegistersHandler},
    {"terminate", Terminate},
    {"kill_self", KillSelf},
    {"cpu_limit", CpuLimit},
    {"output_flushed", OutputFlushedAtExit},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
