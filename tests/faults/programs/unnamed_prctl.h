// SPDX-License-Identifier: Apache-2.0
//
// prctl(2) without asking the dynamic linker for it by name: a program that does is prepared for
// (shim/SYSCALLS.md), and these are about programs that are not.

#ifndef PQLEASH_TESTS_FAULTS_PROGRAMS_UNNAMED_PRCTL_H_
#define PQLEASH_TESTS_FAULTS_PROGRAMS_UNNAMED_PRCTL_H_

#include <dlfcn.h>
#include <sys/prctl.h>

namespace faults {

template <typename... Arguments>
int UnnamedPrctl(int option, Arguments... arguments) {
  static const auto kPrctl = reinterpret_cast<int (*)(int, ...)>(dlsym(RTLD_DEFAULT, "prctl"));
  return kPrctl(option, arguments...);
}

}  // namespace faults

#endif  // PQLEASH_TESTS_FAULTS_PROGRAMS_UNNAMED_PRCTL_H_
