// SPDX-License-Identifier: Apache-2.0
//
// Never calls libpq, and is in C: what a preload adds to such a process is all that it has. The
// argument 'fork' makes it fork as well.

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int Mapped(const char* name) {
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) return -1;
  char line[512];
  int found = 0;
  while (fgets(line, sizeof(line), maps) != NULL) found |= strstr(line, name) != NULL;
  fclose(maps);
  return found;
}

static int Threads(void) {
  FILE* status = fopen("/proc/self/status", "re");
  if (status == NULL) return -1;
  char line[256];
  int threads = -1;
  while (fgets(line, sizeof(line), status) != NULL)
    sscanf(line, "Threads: %d", &threads);  // NOLINT(cert-err34-c)
  fclose(status);
  return threads;
}

int main(int argc, char** argv) {
  printf("libstdc++ %d, libunwind %d, libpq.so %d, threads %d\n", Mapped("libstdc++"),
         Mapped("libunwind"), Mapped("libpq.so"), Threads());
  fflush(stdout);
  if (argc > 1 && strcmp(argv[1], "fork") == 0) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
  }
  return 6;
}
