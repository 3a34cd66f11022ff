// SPDX-License-Identifier: Apache-2.0
//
// The ways to make a process, and what may not be there twice afterwards.

#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <csignal>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

char stack[256 << 10];

int Vfork() {
  Connect();
  const pid_t child = vfork();
  if (child == 0) {
    execl("/bin/true", "true", nullptr);
    _exit(127);
  }
  Reap(child);
  Work();
  return 0;
}

int WorkInChild(pid_t child) {
  if (child == 0) {
    Work();
    _exit(7);
  }
  Reap(child);
  Work();
  return 0;
}

int UnderscoreFork() {
  Connect();
  return WorkInChild(_Fork());
}

int RawFork() {
  Connect();
  return WorkInChild(static_cast<pid_t>(syscall(SYS_fork)));
}

int Clone3() {
  Connect();
  clone_args arguments = {};
  arguments.exit_signal = SIGCHLD;
  return WorkInChild(static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof(arguments))));
}

// As posix_spawn does it: the parent's memory, until exec.
int CloneSharingMemory() {
  PGconn* conn = Connect();
  const pid_t child = clone(
      [](void*) {
        execl("/bin/true", "true", nullptr);
        return 127;
      },
      stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr);
  Reap(child);
  Query(conn, "SELECT 1");
  Finish(conn);
  return 0;
}

// A second process in the same memory, which connects there.
int ConnectSharingMemory() {
  PGconn* conn = Connect();
  const pid_t child = clone(
      [](void*) {
        PGconn* other = PQconnectdb("");
        PQfinish(other);
        return 4;
      },
      stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr);
  Reap(child);
  Query(conn, "SELECT 1");
  Finish(conn);
  return 0;
}

// Runs `child` in a process of its own until it, and all that it started, are over.
template <typename Child>
int UntilAllAreOver(Child child) {
  int ends[2];
  if (pipe(ends) != 0) return 1;
  const pid_t first = fork();
  if (first == 0) {
    close(ends[0]);
    child();
    _exit(0);
  }
  close(ends[1]);
  char byte;
  const ssize_t got = read(ends[0], &byte, 1);
  Say("over: %d", static_cast<int>(got));
  Reap(first);
  return 0;
}

int Daemon() {
  Connect();
  return UntilAllAreOver([] {
    if (daemon(1, 1) != 0) _exit(1);
    Work();
  });
}

int DoubleFork() {
  Connect();
  return UntilAllAreOver([] {
    setsid();
    if (fork() != 0) _exit(0);
    Work();
  });
}

int ForkInThread() {
  Connect();
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        WorkInChild(fork());
        return nullptr;
      },
      nullptr);
  pthread_join(thread, nullptr);
  return 0;
}

int HandlersOfFork() {
  pthread_atfork([] { Work(); }, nullptr,
                 [] {
                   Say("in the child");
                   Work();
                 });
  Connect();
  const pid_t child = fork();
  if (child == 0) _exit(5);
  Reap(child);
  return 0;
}

int ManyForks() {
  PGconn* conn = Connect();
  for (int i = 0; i < 40; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      PQfinish(PQconnectdb(""));
      _exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) Say("%d: %d", i, status);
  }
  Finish(conn);
  return 0;
}

// Nobody else's child is waited for.
int NoOtherChildren() {
  Work();
  int status = 0;
  Say("children: %d, errno %d", wait(&status), errno);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  Work();
  Say("children: %d, errno %d", wait(&status), errno);
  return 0;
}

int ChildrenIgnored() {
  signal(SIGCHLD, SIG_IGN);
  Work();
  const pid_t child = fork();
  if (child == 0) _exit(0);
  int status = 0;
  Say("waited: %d", waitpid(child, &status, 0));
  Work();
  return 0;
}

int ShellCommands() {
  PGconn* conn = Connect();
  Say("system: %d", system("exit 3"));
  FILE* pipe = popen("echo from a shell", "r");
  char line[64] = "";
  if (fgets(line, sizeof(line), pipe) != nullptr) Say("popen: %s", line);
  Say("pclose: %d", pclose(pipe));
  Query(conn, "SELECT 1");
  Finish(conn);
  return 0;
}

int ParentDies() {
  Connect();
  return UntilAllAreOver([] {
    const pid_t parent = getpid();
    if (fork() != 0) pause();
    kill(parent, SIGKILL);
    Work();
  });
}

constexpr HostMode kModes[] = {
    {"vfork", Vfork},
    {"_Fork", UnderscoreFork},
    {"raw_fork", RawFork},
    {"clone3", Clone3},
    {"clone_sharing_memory", CloneSharingMemory},
    {"connect_sharing_memory", ConnectSharingMemory},
    {"daemon", Daemon},
    {"double_fork", DoubleFork},
    {"fork_in_thread", ForkInThread},
    {"handlers_of_fork", HandlersOfFork},
    {"many_forks", ManyForks},
    {"no_other_children", NoOtherChildren},
    {"children_ignored", ChildrenIgnored},
    {"shell_commands", ShellCommands},
    {"parent_dies", ParentDies},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
