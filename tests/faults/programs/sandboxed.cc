// SPDX-License-Identifier: Apache-2.0
//
// A program that puts a filter around itself which ends it for any system call but those that it is
// known to make.
//
//   sandboxed learn WHEN                  does its work under a tracer, and prints the numbers of
//                                         the calls that it makes from the filter on
//   sandboxed filter WHEN NUMBER...       does it under a filter that allows these alone
//
// WHEN is where the filter comes: first (before the first connect), later (after the first),
// thread (in a second thread, around that alone), leak (first, and a connection stays open),
// child (in a forked child, before its first connect).

#include <libpq-fe.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

namespace {

constexpr int kNotAllowed = 99;
constexpr int kMark = 0x7a11;  // a close of this descriptor tells the tracer that the filter comes

std::vector<uint32_t> allowed;  // empty: none is put, the tracer is told

void Filter() {
  if (allowed.empty()) {
    close(kMark);
    return;
  }
  std::vector<sock_filter> code = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const uint32_t number : allowed) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    printf("no filter: %s\n", strerror(errno));
    _exit(kNotAllowed);
  }
}

// Several lines, so that there is more than one place; deep, so that there is some stack.
[[gnu::noinline]] void Query(int depth, bool finish) {
  volatile char frame[512];
  frame[0] = static_cast<char>(depth);
  if (depth > 0) {
    Query(depth - 1, finish);
    frame[1] = frame[0];
    return;
  }
  PGconn* conn = PQconnectdb("");
  PGresult* result = PQexec(conn, "select 1");
  printf("%d %d\n", PQstatus(conn), PQresultStatus(result));
  PQclear(result);
  if (finish) PQfinish(conn);
  frame[1] = frame[0];
}

void Work() {
  for (int depth = 0; depth < 60; depth += 4) Query(depth, true);
  std::vector<PGconn*> pool;
  for (int i = 0; i < 10; ++i) pool.push_back(PQconnectdb(""));
  for (PGconn* conn : pool) PQfinish(conn);
}

void* Thread(void*) {
  Filter();
  Work();
  return nullptr;
}

int Run(const std::string& when) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  if (when == "later" || when == "thread") Query(3, true);
  if (when == "thread") {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, Thread, nullptr) != 0) return 1;
    pthread_join(thread, nullptr);
  } else if (when == "child") {
    const pid_t child = fork();
    if (child == 0) {
      Filter();
      Work();
      puts("child");
      _exit(5);
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("ended %d %d\n", WEXITSTATUS(status), WTERMSIG(status));
  } else {
    Filter();
    Work();
    if (when == "leak") Query(2, false);
  }
  puts("end");
  return 5;
}

long NumberOf(pid_t pid, __ptrace_syscall_info* info) {
  const long size = ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(*info), info);
  if (size <= 0 || info->op != PTRACE_SYSCALL_INFO_ENTRY) return -1;
  return static_cast<long>(info->entry.nr);
}

// Follows the child and all that it starts, to the end.
int Learn(const std::string& when) {
  const pid_t child = fork();
  if (child == 0) {
    if (freopen("/dev/null", "w", stdout) == nullptr) _exit(1);
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(kNotAllowed);
    raise(SIGSTOP);
    exit(Run(when));
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) return kNotAllowed;
  ptrace(PTRACE_SETOPTIONS, child, nullptr,
         PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL);
  ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  std::set<long> numbers;
  bool marked = false;
  for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
    if (!WIFSTOPPED(status)) continue;
    long signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      __ptrace_syscall_info info = {};
      const long number = NumberOf(pid, &info);
      if (number == SYS_close && info.entry.args[0] == kMark) marked = true;
      if (number >= 0 && marked) numbers.insert(number);
      signal = 0;
    } else if (signal == SIGTRAP || signal == SIGSTOP) {
      signal = 0;
    }
    ptrace(PTRACE_SYSCALL, pid, nullptr, signal);
  }
  for (const long number : numbers) printf("%ld ", number);
  puts("");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  if (strcmp(argv[1], "learn") == 0) return Learn(argv[2]);
  for (int i = 3; i < argc; ++i)
    allowed.push_back(static_cast<uint32_t>(strtoul(argv[i], nullptr, 10)));
  return Run(argv[2]);
}
