// SPDX-License-Identifier: Apache-2.0
//
// denied_calls ERROR WHEN WORK: for each system call that there is, a child in which it fails with
// that errno: from before the first connect on (WHEN is 'first'), or after the first work was done
// ('later'). One line a call: what the child saw, and how it ended.

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/faults/programs/system_calls.h"
#include "tests/faults/programs/work.h"

namespace {

using faults::Seen;

constexpr int kCalls = 462;     // beyond what any kernel of today has
constexpr unsigned kLimit = 2;  // seconds

bool starts_libpq_first = false;
const char* work = "once";

void Work(Seen* seen) {
  if (strcmp(work, "many") == 0) {
    faults::WorkMany(300, seen);
  } else if (strcmp(work, "threads") == 0) {
    faults::WorkInThreads(2, seen);
  } else {
    faults::WorkOnce(seen);
  }
}

// `number` -1: none fails.
[[noreturn]] void Child(int number, int error, Seen* seen) {
  alarm(kLimit);
  if (starts_libpq_first) faults::WorkOnce(seen);
  const faults::Surroundings surroundings;
  if (number >= 0 && !faults::Deny({&number, 1}, error)) _exit(99);
  Work(seen);
  // A descriptor that cannot be closed stays open.
  surroundings.Compare(seen);
  if (number == SYS_close) seen->descriptors = 0;
  exit(3);
}

void Try(int number, int error, Seen* seen) {
  *seen = {};
  const pid_t child = fork();
  if (child == 0) Child(number, error, seen);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 99) {
    printf("no filter: %s\n", strerror(errno));
    exit(99);
  }
  printf("%d: %s, descriptors %+d, mask %u, %s %d\n", number, seen->calls, seen->descriptors,
         seen->mask_changed, WIFEXITED(status) ? "exit code" : "signal",
         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const int error = atoi(argv[1]);  // NOLINT(cert-err34-c): from our own table
  starts_libpq_first = strcmp(argv[2], "later") == 0;
  work = argv[3];
  void* shared =
      mmap(nullptr, sizeof(Seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  setvbuf(stdout, nullptr, _IOFBF, 1 << 16);
  for (int number = -1; number < kCalls; ++number) {
    fflush(stdout);
    Try(number, error, static_cast<Seen*>(shared));
  }
}
