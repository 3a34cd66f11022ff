// SPDX-License-Identifier: Apache-2.0
//
// Hosts that know their descriptors by number, close others', or expect that nobody else keeps one.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

int Open(const char* path) { return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); }

int Numbers() {
  Say("first: %d", Open("a"));
  PGconn* conn = Connect();
  Say("second: %d", Open("b"));
  Query(conn, "SELECT 1");
  Say("third: %d", Open("c"));
  Finish(conn);
  close(4);
  Say("fourth: %d", Open("d"));
  return 0;
}

int CloseFrom() {
  PGconn* conn = Connect();
  closefrom(3);
  Say("first: %d", Open("a"));
  Work();
  Finish(conn);
  SayDescriptors();
  return 0;
}

// What lies under a number stays what the host put there.
int DuplicateOverAll() {
  Connect();
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 3; fd < 256; ++fd) dup2(null, fd);
  Work();
  struct stat wanted, status;
  stat("/dev/null", &wanted);
  int changed = 0;
  for (int fd = 3; fd < 256; ++fd) {
    changed += fstat(fd, &status) != 0 || status.st_rdev != wanted.st_rdev;
  }
  Say("changed: %d", changed);
  return 0;
}

// As systemd passes sockets: number 3, and the numbers after it.
int SocketActivation() {
  int ends[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  struct stat before, after;
  fstat(3, &before);
  setenv("LISTEN_FDS", "2", 1);
  Work();
  fstat(3, &after);
  Say("kept: %d", before.st_ino == after.st_ino);
  Say("inherited: %d", (fcntl(3, F_GETFD) & FD_CLOEXEC) == 0);
  return 0;
}

// A lock of fcntl's is lost when anybody in the process closes the file.
int RecordLock() {
  const int fd = Open("locked");
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  Say("locked: %d", fcntl(fd, F_SETLK, &lock));
  Work();
  const pid_t child = fork();
  if (child == 0) {
    fcntl(fd, F_GETLK, &lock);
    _exit(lock.l_type == F_WRLCK ? 1 : 0);
  }
  Reap(child);
  return 0;
}

// The reader sees the end when the last copy of the writing end is closed.
int EndOfPipe() {
  int ends[2];
  if (pipe(ends) != 0) return 1;
  Connect();
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    Work();
    _exit(0);
  }
  close(ends[1]);
  char byte;
  Say("end: %d", static_cast<int>(read(ends[0], &byte, 1)));
  Reap(child);
  return 0;
}

int LeftForExec() {
  Connect();
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "ls /proc/self/fd | wc -l", nullptr);
    _exit(127);
  }
  Reap(child);
  return 0;
}

int Epoll() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  int ends[2];
  if (pipe(ends) != 0) return 1;
  epoll_event event = {EPOLLIN, {nullptr}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
  PGconn* conn = Connect();
  Query(conn, "SELECT 1");
  Say("ready: %d", epoll_wait(epoll, &event, 1, 0));
  if (write(ends[1], "x", 1) != 1) return 1;
  Say("ready: %d", epoll_wait(epoll, &event, 1, 0));
  Finish(conn);
  return 0;
}

int CloseTwo() {
  Connect();
  close(STDERR_FILENO);
  Say("number: %d", Open("log"));
  Work();
  struct stat status;
  fstat(STDERR_FILENO, &status);
  Say("bytes: %d", static_cast<int>(status.st_size));
  return 0;
}

int FullOutput() {
  const int full = open("/dev/full", O_WRONLY);
  const int kept = dup(STDOUT_FILENO);
  dup2(full, STDOUT_FILENO);
  Work();
  dup2(kept, STDOUT_FILENO);
  Say("over");
  return 0;
}

int BrokenOutput() {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  if (pipe(ends) != 0) return 1;
  close(ends[0]);
  const int kept = dup(STDOUT_FILENO);
  dup2(ends[1], STDOUT_FILENO);
  dup2(ends[1], STDERR_FILENO);
  Work();
  dup2(kept, STDOUT_FILENO);
  Say("over");
  return 0;
}

int GoneDirectory() {
  if (mkdir("gone", 0700) != 0 || chdir("gone") != 0 || rmdir("../gone") != 0) return 1;
  Work();
  Say("here: %s", getcwd(nullptr, 0) == nullptr ? "nowhere" : "somewhere");
  return 0;
}

int Umask() {
  umask(0777);
  Work();
  Say("mask: %o", umask(022));
  return 0;
}

int HighNumbers() {
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 3; fd < 1023; ++fd) dup2(null, fd);
  PGconn* conn = Connect();
  Query(conn, "SELECT 1");
  Say("free: %d", Open("a"));
  Finish(conn);
  return 0;
}

// A copy that somebody else keeps would keep the lock.
int LockByFlock() {
  const int fd = Open("locked");
  Say("locked: %d", flock(fd, LOCK_EX | LOCK_NB));
  Connect();
  close(fd);
  const int other = Open("locked");
  Say("locked again: %d", flock(other, LOCK_EX | LOCK_NB));
  return 0;
}

constexpr HostMode kModes[] = {
    {"numbers", Numbers},
    {"closefrom", CloseFrom},
    {"duplicate_over_all", DuplicateOverAll},
    {"socket_activation", SocketActivation},
    {"record_lock", RecordLock},
    {"end_of_pipe", EndOfPipe},
    {"left_for_exec", LeftForExec},
    {"epoll", Epoll},
    {"close_stderr", CloseTwo},
    {"full_output", FullOutput},
    {"broken_output", BrokenOutput},
    {"gone_directory", GoneDirectory},
    {"umask", Umask},
    {"high_numbers", HighNumbers},
    {"lock_by_flock", LockByFlock},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
