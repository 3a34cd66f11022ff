// SPDX-License-Identifier: Apache-2.0
//
// A host whose limits leave no room for anything but itself.

#include <sys/resource.h>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

int Under(__rlimit_resource resource, rlim_t most) {
  void* volatile block = malloc(1);  // there is a heap in any case
  free(block);
  const rlimit limit = {most, most};
  Say("limited: %d", setrlimit(resource, &limit));
  Work();
  Work();
  SayDescriptors();
  return 0;
}

// What the process has now, and `more` beside it.
rlim_t AddressSpace(rlim_t more) {
  long pages = 0;
  FILE* file = fopen("/proc/self/statm", "re");
  if (file == nullptr || fscanf(file, "%ld", &pages) != 1) exit(1);  // NOLINT(cert-err34-c)
  fclose(file);
  return static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + more;
}

constexpr HostMode kModes[] = {
    {"as", [] { return Under(RLIMIT_AS, AddressSpace(1 << 20)); }},
    {"as_none", [] { return Under(RLIMIT_AS, AddressSpace(0)); }},
    {"data", [] { return Under(RLIMIT_DATA, 0); }},
    {"stack", [] { return Under(RLIMIT_STACK, 64 << 10); }},
    {"stack_unlimited", [] { return Under(RLIMIT_STACK, RLIM_INFINITY); }},
    {"fsize", [] { return Under(RLIMIT_FSIZE, 0); }},
    {"nofile", [] { return Under(RLIMIT_NOFILE, 3); }},
    {"nofile_none", [] { return Under(RLIMIT_NOFILE, 0); }},
    {"nproc", [] { return Under(RLIMIT_NPROC, 1); }},
    {"memlock", [] { return Under(RLIMIT_MEMLOCK, 0); }},
    {"core", [] { return Under(RLIMIT_CORE, 0); }},
    {"sigpending", [] { return Under(RLIMIT_SIGPENDING, 0); }},
    {"rtprio", [] { return Under(RLIMIT_RTPRIO, 0); }},
    {"nice", [] { return Under(RLIMIT_NICE, 0); }},
    {"msgqueue", [] { return Under(RLIMIT_MSGQUEUE, 0); }},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
