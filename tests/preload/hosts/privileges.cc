// SPDX-License-Identifier: Apache-2.0
//
// Hosts that give up rights, or live where some are missing.

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

int DropsAll() {
  Connect();
  Say("groups: %d", setgroups(0, nullptr));
  Say("group: %d", setresgid(65534, 65534, 65534));
  Say("user: %d", setresuid(65534, 65534, 65534));
  Work();
  Say("back: %d", setuid(0));
  return 0;
}

int KeepsCapabilities() {
  Connect();
  prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  Say("user: %d", setresuid(65534, 65534, 65534));
  Work();
  Say("kept: %d", prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
  return 0;
}

int NoCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  Say("dropped: %ld", syscall(SYS_capset, &header, data));
  Work();
  return 0;
}

int SecureBits() {
  Say("set: %d", prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP, 0, 0, 0));
  Work();
  Say("%d", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  return 0;
}

int NoNewPrivileges() {
  Say("set: %d", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  Work();
  return 0;
}

int NotDumpable() {
  Say("set: %d", prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  Work();
  Say("still: %d", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  return 0;
}

int NewNamespaces(int flags) {
  const pid_t child = fork();
  if (child == 0) {
    const int error = unshare(flags);
    if (error == 0) Work();
    _exit(error == 0 ? 0 : 3);
  }
  Reap(child);
  Work();
  return 0;
}

int PidNamespace() {
  Say("unshared: %d", unshare(CLONE_NEWPID));
  const pid_t child = fork();
  if (child == 0) {
    Say("number: %d", static_cast<int>(getpid()));
    Work();
    _exit(0);
  }
  Reap(child);
  return 0;
}

// What a filter of many containers answers: "not permitted", not death.
int Filtered(int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 9, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ftruncate, 7, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_linkat, 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettid, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_readlink, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unlinkat, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
  };
  const sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  Say("filter: %d", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
  Work();
  Work();
  return 0;
}

int Landlocked() {
  struct Attributes {
    unsigned long long handled_access_fs = 0x1fff;
  } attributes;
  const long ruleset = syscall(444, &attributes, sizeof(attributes), 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (ruleset >= 0) syscall(446, ruleset, 0);
  Work();
  Say("over");
  return 0;
}

int ReadOnlyEverywhere() {
  Say("unshared: %d", unshare(CLONE_NEWNS));
  mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  for (const char* path : {"/tmp", "/dev/shm", "/"}) {
    mount(path, path, nullptr, MS_BIND, nullptr);
    mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr);
  }
  Work();
  return 0;
}

int NoProc() {
  if (unshare(CLONE_NEWNS) != 0) return 1;
  mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (mount("none", "/proc", "tmpfs", 0, nullptr) != 0) return 2;
  Work();
  Say("over");
  return 0;
}

// A copy of this program with a bit set, run as somebody else.
int WithBit(mode_t bits, bool capability) {
  FILE* from = fopen("/proc/self/exe", "re");
  FILE* to = fopen("copy", "we");
  if (from == nullptr || to == nullptr) return 1;
  static char bytes[1 << 20];
  for (size_t size; (size = fread(bytes, 1, sizeof(bytes), from)) > 0;) fwrite(bytes, 1, size, to);
  fclose(to);
  fclose(from);
  if (chmod("copy", 0755 | bits) != 0) return 2;
  if (capability && system("/sbin/setcap cap_net_raw+ep copy") != 0) return 3;
  const pid_t child = fork();
  if (child == 0) {
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(4);
    execl("./copy", "copy", "no_new_privileges", nullptr);
    _exit(errno == EACCES ? 5 : 6);
  }
  Reap(child);
  unlink("copy");
  return 0;
}

constexpr HostMode kModes[] = {
    {"drops_all", DropsAll},
    {"keeps_capabilities", KeepsCapabilities},
    {"no_capabilities", NoCapabilities},
    {"secure_bits", SecureBits},
    {"no_new_privileges", NoNewPrivileges},
    {"not_dumpable", NotDumpable},
    {"user_namespace", [] { return NewNamespaces(CLONE_NEWUSER); }},
    {"mount_namespace", [] { return NewNamespaces(CLONE_NEWNS); }},
    {"net_namespace", [] { return NewNamespaces(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC); }},
    {"cgroup_namespace", [] { return NewNamespaces(CLONE_NEWCGROUP); }},
    {"pid_namespace", PidNamespace},
    {"filter_not_permitted", [] { return Filtered(EPERM); }},
    {"filter_no_such_call", [] { return Filtered(ENOSYS); }},
    {"landlocked", Landlocked},
    {"read_only_everywhere", ReadOnlyEverywhere},
    {"no_proc", NoProc},
    {"set_user_bit", [] { return WithBit(S_ISUID, false); }},
    {"set_group_bit", [] { return WithBit(S_ISGID, false); }},
    {"file_capability", [] { return WithBit(0, true); }},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
