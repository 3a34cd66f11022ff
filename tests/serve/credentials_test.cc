// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/support/temporary_directory.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;

TEST(CredentialsTest, WhoIsLetIn) {
  const auto parsed = ParseCredentials(
      "# scrapers\n"
      "basic prometheus:correct horse:battery\r\n"
      "\n"
      "  Bearer  0123456789abcdef\n");
  const auto& credentials = std::get<Credentials>(parsed);
  for (const char* header : {"Basic cHJvbWV0aGV1czpjb3JyZWN0IGhvcnNlOmJhdHRlcnk=",
                             "basic  cHJvbWV0aGV1czpjb3JyZWN0IGhvcnNlOmJhdHRlcnk= ",
                             "Bearer 0123456789abcdef", "BEARER 0123456789abcdef"}) {
    EXPECT_TRUE(credentials.Accept(header)) << header;
  }
  for (const char* header :
       {"", "Basic", "Bearer", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0",
        "Bearer 0123456789ABCDEF", "Basic 0123456789abcdef", "0123456789abcdef",
        "Basic cHJvbWV0aGV1czpjb3JyZWN0IGhvcnNl", "Basic prometheus:correct horse:battery"}) {
    EXPECT_FALSE(credentials.Accept(header)) << header;
  }
  EXPECT_FALSE(Credentials().Accept("")) << "nobody is not everybody";
}

TEST(CredentialsTest, BadLinesAreNamedWithoutTheirSecret) {
  for (const char* text :
       {"basic secret\n", "basic :secret\n", "basic secret:\n", "bearer\n", "bearer se cret\n",
        "secret\n", "prometheus:secret\n", "basic\tsecret\n"}) {
    const auto parsed = ParseCredentials(std::string("# x\n") + text);
    const auto* clause = std::get_if<std::string>(&parsed);
    ASSERT_NE(clause, nullptr) << text;
    EXPECT_THAT(*clause, HasSubstr("line 2"));
    EXPECT_EQ(clause->find("secret"), std::string::npos) << *clause;
  }
  for (const char* text : {"", "\n", "# nobody\n"}) {
    const auto parsed = ParseCredentials(text);
    EXPECT_THAT(std::get<std::string>(parsed), HasSubstr("names nobody"));
  }
}

TEST(CredentialsTest, FilesThatOthersCanReadAreRefused) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory / "auth";
  std::ofstream(path) << "bearer token\n";
  // A secret that root hands to a group is as closed as it can be.
  const bool root = geteuid() == 0;
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(std::holds_alternative<Credentials>(ReadCredentials(path)), root);
  for (const mode_t mode : {0604, 0660, 0644, 0641}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_THAT(std::get<std::string>(ReadCredentials(path)), HasSubstr("is open to others"));
  }
  for (const mode_t mode : {0600, 0400}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_TRUE(std::get<Credentials>(ReadCredentials(path)).Accept("Bearer token"));
  }
  EXPECT_THAT(std::get<std::string>(ReadCredentials(directory / "none")),
              HasSubstr("cannot be opened"));
  EXPECT_THAT(std::get<std::string>(ReadCredentials(directory.path())),
              HasSubstr("is no regular file"));
  std::ofstream(path) << std::string((64 << 10) + 1, '#');
  chmod(path.c_str(), 0600);
  EXPECT_THAT(std::get<std::string>(ReadCredentials(path)), HasSubstr("larger than 64 KiB"));
}

}  // namespace
}  // namespace pqleash::reporter
