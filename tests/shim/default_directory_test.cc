// SPDX-License-Identifier: Apache-2.0

#include "shim/config/default_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/support/temporary_directory.h"

namespace pqleash::config {
namespace {

using ::testing::ElementsAre;

class DefaultDirectoryTest : public ::testing::Test {
 protected:
  DefaultDirectoryTest() : roots_{directory_ / "shm", directory_ / "run", directory_ / "tmp"} {
    for (const std::string& root : {roots_.shm, roots_.run, roots_.tmp}) Make(root);
  }

  static void Make(const std::string& path) { ASSERT_EQ(mkdir(path.c_str(), 0700), 0) << path; }
  // Somebody else's, as far as can be told without being root: no directory.
  static void Squat(const std::string& path) { ASSERT_EQ(symlink("/", path.c_str()), 0) << path; }
  std::string In(const std::string& root) const { return root + "/pqleash-" + uid_; }

  const testing::TemporaryDirectory directory_;
  const DirectoryRoots roots_;
  const std::string uid_ = std::to_string(geteuid());
};

TEST_F(DefaultDirectoryTest, IsInSharedMemory) {
  const DefaultDirectory found = FindDefaultDirectory(geteuid(), roots_);
  EXPECT_EQ(found.path, In(roots_.shm));
  EXPECT_EQ(found.taken, "");
  Make(found.path);
  EXPECT_EQ(FindDefaultDirectory(geteuid(), roots_).path, found.path);
  // The user's own fault is said and not gone around.
  ASSERT_EQ(chmod(found.path.c_str(), 0755), 0);
  EXPECT_EQ(FindDefaultDirectory(geteuid(), roots_).path, found.path);
}

TEST_F(DefaultDirectoryTest, IsElsewhereWhereThatIsTaken) {
  Squat(In(roots_.shm));
  DefaultDirectory found = FindDefaultDirectory(geteuid(), roots_);
  EXPECT_EQ(found.path, In(roots_.tmp));
  EXPECT_EQ(found.taken, In(roots_.shm));
  // A directory of the session comes first, if it is closed to others.
  const std::string session = roots_.run + "/" + uid_;
  Make(session);
  EXPECT_EQ(FindDefaultDirectory(geteuid(), roots_).path, In(session));
  ASSERT_EQ(chmod(session.c_str(), 0755), 0);
  EXPECT_EQ(FindDefaultDirectory(geteuid(), roots_).path, In(roots_.tmp));
  // All taken: the usual one, which is refused by name.
  Squat(In(roots_.tmp));
  found = FindDefaultDirectory(geteuid(), roots_);
  EXPECT_EQ(found.path, In(roots_.shm));
  EXPECT_EQ(found.taken, "");
}

TEST_F(DefaultDirectoryTest, AnotherUsersDirectoryIsNotTaken) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make one";
  Make(In(roots_.shm));
  ASSERT_EQ(chown(In(roots_.shm).c_str(), 12'345, 12'345), 0);
  EXPECT_EQ(FindDefaultDirectory(0, roots_).path, In(roots_.tmp));
}

// A process that began while the usual one was taken stays where it is.
TEST_F(DefaultDirectoryTest, AllThatAreTheUsersAreLookedInto) {
  EXPECT_THAT(DefaultDirectories(geteuid(), roots_), ElementsAre(In(roots_.shm)));
  Squat(In(roots_.tmp));
  EXPECT_THAT(DefaultDirectories(geteuid(), roots_), ElementsAre(In(roots_.shm)));
  ASSERT_EQ(unlink(In(roots_.tmp).c_str()), 0);
  Make(In(roots_.tmp));
  EXPECT_THAT(DefaultDirectories(geteuid(), roots_), ElementsAre(In(roots_.shm), In(roots_.tmp)));
  Squat(In(roots_.shm));
  EXPECT_THAT(DefaultDirectories(geteuid(), roots_), ElementsAre(In(roots_.tmp)));
}

}  // namespace
}  // namespace pqleash::config
