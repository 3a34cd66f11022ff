// SPDX-License-Identifier: Apache-2.0
//
// Hosts that look at themselves: for changed code, foreign libraries, debuggers.

#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

struct Sum {
  unsigned long value = 0;
  int objects = 0;
};

// The executable segments of the host, of libpq and of libc.
int AddText(dl_phdr_info* info, size_t, void* data) {
  auto* sum = static_cast<Sum*>(data);
  const char* name = info->dlpi_name;
  if (name[0] != '\0' && strstr(name, "libpq.so") == nullptr &&
      strstr(name, "libc.so") == nullptr) {
    return 0;
  }
  ++sum->objects;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    const auto* bytes = reinterpret_cast<const unsigned char*>(info->dlpi_addr + segment.p_vaddr);
    for (size_t k = 0; k < segment.p_memsz; ++k) sum->value = sum->value * 31 + bytes[k];
  }
  return 0;
}

int TextUnchanged() {
  Sum before, after;
  dl_iterate_phdr(AddText, &before);
  Work();
  dl_iterate_phdr(AddText, &after);
  Say("unchanged: %d, objects %d", before.value == after.value, after.objects);
  return 0;
}

// Nobody but the preloaded library itself is there, and it is there once.
int Objects() {
  Work();
  int count = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        *static_cast<int*>(data) += strstr(info->dlpi_name, "preload_nothing") == nullptr &&
                                    strstr(info->dlpi_name, "libpqleash") == nullptr;
        return 0;
      },
      &count);
  Say("objects: %d", count);
  return 0;
}

int RefusesPreload() {
  if (getenv("LD_PRELOAD") == nullptr) return 0;
  Say("refused");
  return 1;
}

// As ClickHouse does: without the variable, once again.
int RunsAgainWithout() {
  if (getenv("LD_PRELOAD") != nullptr) {
    unsetenv("LD_PRELOAD");
    execl("/proc/self/exe", "integrity", "runs_again_without", nullptr);
    return 1;
  }
  Work();
  return 0;
}

int EnvironmentOfKernel() {
  char before[8192] = "";
  char after[8192] = "";
  const auto read_it = [](char* text) {
    const int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
    const ssize_t size = read(fd, text, 8191);
    close(fd);
    return size;
  };
  const ssize_t size = read_it(before);
  Work();
  Say("same: %d", read_it(after) == size && memcmp(before, after, 8192) == 0);
  return 0;
}

int Tracer() {
  Work();
  FILE* status = fopen("/proc/self/status", "re");
  char line[256];
  while (fgets(line, sizeof(line), status) != nullptr) {
    for (const char* key : {"TracerPid:", "NoNewPrivs:", "Seccomp:", "SigBlk:", "SigIgn:",
                            "SigCgt:", "Threads:", "NStgid:"}) {
      if (strncmp(line, key, strlen(key)) == 0 && strcmp(key, "NStgid:") != 0) Say("%s", line);
    }
  }
  fclose(status);
  return 0;
}

int TraceMe() {
  Connect();
  Say("traced: %ld", ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
  Say("again: %ld", ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
  Work();
  return 0;
}

int ReadsItself() {
  PGconn* conn = Connect();
  char copy[64] = "";
  char text[64] = "of this process";
  const iovec local = {copy, sizeof(copy)};
  const iovec remote = {text, sizeof(text)};
  Say("read: %d", static_cast<int>(process_vm_readv(getpid(), &local, 1, &remote, 1, 0)));
  Say("%s", copy);
  Finish(conn);
  return 0;
}

int AuxiliaryVector() {
  Say("secure %lu, page %lu, program %d", getauxval(AT_SECURE), getauxval(AT_PAGESZ),
      strstr(reinterpret_cast<const char*>(getauxval(AT_EXECFN)), "integrity") != nullptr);
  Work();
  return 0;
}

int Executable() {
  Work();
  char path[4096] = "";
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
  Say("%d %s", size > 0, strrchr(path, '/') + 1);
  FILE* comm = fopen("/proc/self/comm", "re");
  if (fgets(path, sizeof(path), comm) != nullptr) Say("%s", path);
  fclose(comm);
  return 0;
}

// Files that are open or mapped, but for the ledger while there is one.
int FilesMapped() {
  Work();
  FILE* maps = fopen("/proc/self/maps", "re");
  char line[512];
  int others = 0;
  while (fgets(line, sizeof(line), maps) != nullptr) {
    const char* path = strchr(line, '/');
    if (path == nullptr || strstr(line, ".so") != nullptr) continue;
    if (strstr(line, "/integrity") != nullptr || strstr(line, ".ledger") != nullptr) continue;
    if (strstr(line, ".board") != nullptr || strstr(line, "ld-linux") != nullptr) continue;
    ++others;
  }
  fclose(maps);
  Say("others: %d", others);
  return 0;
}

constexpr HostMode kModes[] = {
    {"text_unchanged", TextUnchanged},
    {"objects", Objects},
    {"refuses_preload", RefusesPreload},
    {"runs_again_without", RunsAgainWithout},
    {"environment_of_kernel", EnvironmentOfKernel},
    {"status", Tracer},
    {"trace_me", TraceMe},
    {"reads_itself", ReadsItself},
    {"auxiliary_vector", AuxiliaryVector},
    {"executable", Executable},
    {"files_mapped", FilesMapped},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
