// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/mapped_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;

TEST(MappedFilesTest, InterpreterOf) {
  struct Case {
    const char* name;
    std::optional<Language> language;
  };
  const Case cases[] = {{"python3.11", Language::kPython},
                        {"python3.13", Language::kPython},
                        {"python", Language::kPython},
                        {"libpython3.11.so.1.0", Language::kPython},
                        {"ruby3.1", Language::kRuby},
                        {"ruby3.3", Language::kRuby},
                        {"libruby-3.1.so.3.1.2", Language::kRuby},
                        {"libruby-3.3.so.3.3.8", Language::kRuby},
                        {"php8.2", Language::kPhp},
                        {"php8.4", Language::kPhp},
                        {"php-fpm8.2", Language::kPhp},
                        {"libphp8.2.so", Language::kPhp},
                        {"perl", Language::kPerl},
                        {"libperl.so.5.36", Language::kPerl},
                        {"libperl.so.5.40", Language::kPerl},
                        {"libperl-notes.txt", std::nullopt},
                        {"pythonista", std::nullopt},
                        {"perldoc", std::nullopt},
                        {"psql", std::nullopt},
                        {"", std::nullopt}};
  for (const Case& test : cases) EXPECT_EQ(InterpreterOf(test.name), test.language) << test.name;
}

TEST(MappedFilesTest, EachOnce) {
  const MappedFiles mapped = ParseMaps(
      "55d0-55d1 r-xp 00000000 08:01 1 /usr/bin/python3.11\n"
      "55d1-55d2 r--p 00000000 08:01 1 /usr/bin/python3.11\n"
      "7f00-7f01 r-xp 00000000 08:01 2 /opt/my libs/libpq.so.5.15 (deleted)\n"
      "7f01-7f02 rw-p 00000000 08:01 2 /opt/my libs/libpq.so.5.15 (deleted)\n"
      "7f02-7f03 r-xp 00000000 08:01 3 /x/psycopg2.libs/libpq-9b38f5e3.so.5.16\n"
      "7f03-7f04 r-xp 00000000 08:01 4 /opt/lib/libpqleash.so\n"
      "7f04-7f05 r-xp 00000000 08:01 5 /usr/lib/libpqtypes.so\n"
      "7ffd-7ffe rw-p 00000000 00:00 0 [stack]");
  EXPECT_TRUE(mapped.library);
  EXPECT_THAT(mapped.interpreters, ElementsAre(Language::kPython));
  EXPECT_THAT(mapped.libpq,
              ElementsAre("/opt/my libs/libpq.so.5.15", "/x/psycopg2.libs/libpq-9b38f5e3.so.5.16"));
  EXPECT_FALSE(ParseMaps("").library);
}

}  // namespace
}  // namespace pqleash::reporter
