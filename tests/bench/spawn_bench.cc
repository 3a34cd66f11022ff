// SPDX-License-Identifier: Apache-2.0
//
// What a preload costs each process in a tree, also those that never call libpq: starts /bin/true
// in turns without and with LD_PRELOAD, and prints the median time of each, in nanoseconds.
//
//   spawn_bench LIBRARY COUNT

#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

extern char** environ;

namespace {

long StartAndWait(char** environment) {
  char program[] = "/bin/true";
  char* arguments[] = {program, nullptr};
  const auto begin = std::chrono::steady_clock::now();
  pid_t pid = 0;
  int status = 0;
  if (posix_spawn(&pid, program, nullptr, nullptr, arguments, environment) != 0) exit(1);
  if (waitpid(pid, &status, 0) != pid || status != 0) exit(1);
  return static_cast<long>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin)
          .count());
}

long Median(std::vector<long>* values) {
  const auto middle = values->begin() + static_cast<long>(values->size() / 2);
  std::nth_element(values->begin(), middle, values->end());
  return *middle;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::string preload = std::string("LD_PRELOAD=") + argv[1];
  std::vector<char*> with;
  for (char** entry = environ; *entry != nullptr; ++entry) with.push_back(*entry);
  std::vector<char*> without = with;
  without.push_back(nullptr);
  with.push_back(preload.data());
  with.push_back(nullptr);

  std::vector<long> bare, preloaded;
  const int count = atoi(argv[2]);  // NOLINT(cert-err34-c): from scripts/bench
  for (int i = 0; i < count; ++i) {
    bare.push_back(StartAndWait(without.data()));
    preloaded.push_back(StartAndWait(with.data()));
  }
  printf("{\"bare\": %ld, \"preloaded\": %ld}\n", Median(&bare), Median(&preloaded));
}
