// SPDX-License-Identifier: Apache-2.0
//
// Hosts that replace themselves by another program, and what they do to LD_PRELOAD before.

#include <fcntl.h>
#include <linux/limits.h>
#include <pthread.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <string>

#include "tests/preload/hosts/host.h"

using namespace program;

extern char** environ;

namespace {

char self[PATH_MAX];

int Again(char* const* environment) {
  char* const words[] = {self, const_cast<char*>("work"), nullptr};
  execve("/proc/self/exe", words, environment);
  return 1;
}

int AgainWith(const std::string& preload) {
  Connect();
  setenv("LD_PRELOAD", preload.c_str(), 1);
  return Again(environ);
}

std::string Preload() {
  const char* preload = getenv("LD_PRELOAD");
  return preload == nullptr ? "" : preload;
}

int WorkAlone() {
  Work();
  return 0;
}

int EmptyEnvironment() {
  Connect();
  char* none[] = {nullptr};
  return Again(none);
}

int NullEnvironment() {
  Connect();
  return Again(nullptr);
}

int Unset() {
  Connect();
  unsetenv("LD_PRELOAD");
  return Again(environ);
}

int ByDescriptor() {
  Connect();
  char* const words[] = {self, const_cast<char*>("work"), nullptr};
  fexecve(open("/proc/self/exe", O_RDONLY), words, environ);
  return 1;
}

int ByDescriptorClosedOnExec() {
  Connect();
  char* const words[] = {self, const_cast<char*>("work"), nullptr};
  syscall(SYS_execveat, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "", words, environ,
          AT_EMPTY_PATH);
  return 1;
}

int Script() {
  Connect();
  FILE* script = fopen("script", "we");
  fprintf(script, "#!%s work\n", self);
  fclose(script);
  chmod("script", 0700);
  execl("./script", "script", nullptr);
  return 1;
}

int Chain() {
  PQfinish(PQconnectdb(""));
  const char* left = getenv("CHAIN");
  const int count = left == nullptr ? 8 : static_cast<int>(strtol(left, nullptr, 10));
  if (count == 0) return 5;
  setenv("CHAIN", std::to_string(count - 1).c_str(), 1);
  execl("/proc/self/exe", self, "chain", nullptr);
  return 1;
}

int InThread() {
  Connect();
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        Again(environ);
        return nullptr;
      },
      nullptr);
  pthread_join(thread, nullptr);
  return 1;
}

int NoRandomAddresses() {
  Connect();
  personality(ADDR_NO_RANDOMIZE);
  return Again(environ);
}

int OldLayout() {
  Connect();
  personality(ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO);
  return Again(environ);
}

int StackUnlimited() {
  Connect();
  const rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_STACK, &limit);
  return Again(environ);
}

int NoArguments() {
  Connect();
  char* none[] = {nullptr};
  execve("/proc/self/exe", none, environ);
  return 1;
}

int Fails() {
  PGconn* conn = Connect();
  execl("/nonexistent/program", "program", nullptr);
  Say("errno %d", errno);
  Query(conn, "SELECT 1");
  Finish(conn);
  return 0;
}

int ManyArguments() {
  Connect();
  static char word[] = "word";
  static char* words[5002];
  for (char*& each : words) each = word;
  words[0] = self;
  words[1] = const_cast<char*>("work");
  words[5001] = nullptr;
  execve("/proc/self/exe", words, environ);
  return 1;
}

int OtherProgram() {
  Connect();
  execl("/bin/cat", "cat", "/proc/sys/kernel/ostype", nullptr);
  return 1;
}

constexpr HostMode kModes[] = {
    {"work", WorkAlone},
    {"empty_environment", EmptyEnvironment},
    {"null_environment", NullEnvironment},
    {"unset", Unset},
    {"by_descriptor", ByDescriptor},
    {"by_descriptor_closed", ByDescriptorClosedOnExec},
    {"script", Script},
    {"chain", Chain},
    {"in_thread", InThread},
    {"no_random_addresses", NoRandomAddresses},
    {"old_layout", OldLayout},
    {"stack_unlimited", StackUnlimited},
    {"no_arguments", NoArguments},
    {"fails", Fails},
    {"many_arguments", ManyArguments},
    {"other_program", OtherProgram},
    {"preload_spaces", [] { return AgainWith("  libm.so.6 " + Preload() + "  "); }},
    {"preload_colons", [] { return AgainWith("::libm.so.6:" + Preload() + "::"); }},
    {"preload_twice", [] { return AgainWith(Preload() + ":" + Preload()); }},
    {"preload_appended", [] { return AgainWith(Preload() + ":libm.so.6"); }},
    {"preload_missing", [] { return AgainWith("/nonexistent/library.so:" + Preload()); }},
    {"preload_empty", [] { return AgainWith(""); }},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 0 || argv[0][0] == '\0') {
    Say("no arguments");
    return WorkAlone();
  }
  if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) return 1;
  return RunMode(argc, argv, kModes);
}
