// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/ledger.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace pqleash::ledger {
namespace {

constexpr Capacities kSmall = {1'000, 100, 1'000, 10, 100, 10, 10'000, 128, 8'192};

// A zeroed Ledger over an anonymous file.
struct Fixture {
  Fixture() : fd(memfd_create("ledger", MFD_CLOEXEC)), ledger(new Ledger()) {}
  ~Fixture() { close(fd); }
  int64_t Blocks() const {
    struct stat status;
    fstat(fd, &status);
    return status.st_blocks * 512;
  }
  const int fd;
  std::unique_ptr<Ledger> ledger;
};

TEST(Ledger, HasTheSizeThatItsCapacitiesNeedAndUsesLittleOfIt) {
  Fixture f;
  ASSERT_TRUE(f.ledger->Map(f.fd, kSmall));
  struct stat status;
  fstat(f.fd, &status);
  EXPECT_EQ(static_cast<uint64_t>(status.st_size), Ledger::FileSize(kSmall));
  EXPECT_EQ(f.ledger->header().file_size, Ledger::FileSize(kSmall));
  EXPECT_LE(f.Blocks(), 4096);
}

TEST(Ledger, SectionsLieBehindEachOtherAndDoNotOverlap) {
  Fixture f;
  ASSERT_TRUE(f.ledger->Map(f.fd, kSmall));
  uint64_t end = kHeaderSize;
  for (const Section& section : f.ledger->header().sections) {
    EXPECT_GE(section.offset, end);
    EXPECT_EQ(section.offset % 4096, 0u);
    end = section.offset + uint64_t{section.record_size} * section.capacity;
  }
  EXPECT_LE(end, f.ledger->header().file_size);
}

TEST(Ledger, MakesRoomUpToTheCapacityAndNotBeyond) {
  Fixture f;
  ASSERT_TRUE(f.ledger->Map(f.fd, kSmall));
  for (uint32_t section = 0; section < kSectionCount; ++section) {
    const auto index = static_cast<SectionIndex>(section);
    EXPECT_TRUE(f.ledger->MakeRoom(index, 0)) << section;
    EXPECT_TRUE(f.ledger->MakeRoom(index, 1)) << section;
    EXPECT_TRUE(f.ledger->MakeRoom(index, kSmall[section] - 1)) << section;
    EXPECT_TRUE(f.ledger->MakeRoom(index, kSmall[section])) << section;
    EXPECT_FALSE(f.ledger->MakeRoom(index, kSmall[section] + 1)) << section;
  }
  f.ledger->At<ConnectionSlot>(kConnections, kSmall[kConnections] - 1).commands = 7;
  f.ledger->At<Module>(kModules, kSmall[kModules] - 1).bias = 7;
}

TEST(Ledger, GrowsInSteps) {
  Fixture f;
  ASSERT_TRUE(f.ledger->Map(f.fd, kSmall));
  ASSERT_TRUE(f.ledger->MakeRoom(kConnections, 10));
  EXPECT_LE(f.Blocks(), 4096 + 16 * 1024);
}

TEST(Ledger, IsNoLedgerBeforeItIsPublished) {
  Fixture f;
  ASSERT_TRUE(f.ledger->Map(f.fd, kSmall));
  EXPECT_EQ(f.ledger->header().magic[0], '\0');
  f.ledger->Publish();
  EXPECT_EQ(memcmp(f.ledger->header().magic, kMagic, sizeof(kMagic)), 0);
}

// A file beyond RLIMIT_FSIZE would raise SIGXFSZ in the host.
TEST(Ledger, StaysBelowTheFileSizeLimit) {
  Fixture f;
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {8192, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const bool mapped = f.ledger->Map(f.fd, kSmall);
  const int error = errno;
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_FALSE(mapped);
  EXPECT_EQ(error, EFBIG);
}

TEST(Ledger, LivesInMemoryWithoutAFile) {
  auto ledger = std::make_unique<Ledger>();
  ASSERT_TRUE(ledger->Map(-1, kSmall));
  ASSERT_TRUE(ledger->MakeRoom(kConnections, 1'000));
  ledger->At<ConnectionSlot>(kConnections, 999).commands = 7;
}

TEST(SequenceGuard, IsOddInsideAndMovesOnOutside) {
  uint32_t sequence = 0;
  for (const uint32_t expected : {2u, 4u}) {
    {
      const SequenceGuard guard(sequence);
      EXPECT_EQ(sequence % 2, 1u);
    }
    EXPECT_EQ(sequence, expected);
  }
  // Left odd by a writer that died: the next one goes on.
  sequence = 5;
  { const SequenceGuard guard(sequence); }
  EXPECT_EQ(sequence, 6u);
}

}  // namespace
}  // namespace pqleash::ledger
