// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/sandbox.h"

#include <gtest/gtest.h>
#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "shim/support/elf_imports.h"
#include "shim/support/filters.h"

namespace pqleash::tracker {
namespace {

TEST(Filters, AreReadFromTheStatusOfAProcess) {
  const Filters filters =
      FiltersIn("Name:\tx\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t13\nSpeculation:\tx\n");
  EXPECT_TRUE(filters.known);
  EXPECT_EQ(filters.mode, 2);
  EXPECT_EQ(filters.count, 13);
}

TEST(Filters, NeedNotBeThere) {
  for (const char* status : {"", "\n", "Seccomp:", "Seccomp:\t\n", "Seccomp", "xSeccomp:\t2\n",
                             "Seccomp:\t0\nSeccomp_filters:\t0\n"}) {
    const Filters filters = FiltersIn(status);
    EXPECT_EQ(filters.known, *status != '\0');
    EXPECT_EQ(filters.mode, 0) << status;
    EXPECT_EQ(filters.count, 0) << status;
  }
  // Before Linux 5.9.
  EXPECT_EQ(FiltersIn("Seccomp:\t2\n").mode, 2);
}

TEST(Filters, AreNotTakenForTheProgramsWhereNobodyLooked) {
  EXPECT_FALSE(FilterExpected());
  EXPECT_FALSE(FilterCame());
}

TEST(FilterMakers, AreLookedForOnlyFromTheStartOfTheProgram) {
  char name[] = "program";
  char* arguments[] = {name, nullptr};
  char* elsewhere[] = {nullptr};
  EXPECT_FALSE(LookForFilterMakers(1, arguments, elsewhere));
  EXPECT_FALSE(LookForFilterMakers(0, arguments, arguments + 1));
}

TEST(ThreadId, IsTheKernels) {
  EXPECT_EQ(ThreadId(), gettid());
  std::thread([] { EXPECT_EQ(ThreadId(), gettid()); }).join();
}

TEST(Imports, AreThoseOfTheExecutable) {
  const auto* headers = reinterpret_cast<const ElfW(Phdr)*>(getauxval(AT_PHDR));
  const size_t count = getauxval(AT_PHNUM);
  const char* const asked[] = {"no_such_function", "getauxval", nullptr};
  EXPECT_TRUE(ImportsOneOf(headers, count, asked));
  const char* const not_asked[] = {"no_such_function", "getauxva", "getauxval2", "", nullptr};
  EXPECT_FALSE(ImportsOneOf(headers, count, not_asked));
  EXPECT_FALSE(ImportsOneOf(headers, 0, asked));
}

// libc's own: it has many that are of its own making alone.
TEST(Exports, AreThoseOfTheObject) {
  bool seen = false;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        if (strstr(info->dlpi_name, "/libc.so.6") == nullptr) return 0;
        *static_cast<bool*>(data) = true;
        const char* const exported[] = {"no_such_function", "gettid", nullptr};
        EXPECT_TRUE(ExportsOneOf(info->dlpi_phdr, info->dlpi_phnum, exported));
        EXPECT_FALSE(ImportsOneOf(info->dlpi_phdr, info->dlpi_phnum, exported));
        const char* const not_exported[] = {"no_such_function", "PQfinish", nullptr};
        EXPECT_FALSE(ExportsOneOf(info->dlpi_phdr, info->dlpi_phnum, not_exported));
        return 1;
      },
      &seen);
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace pqleash::tracker
