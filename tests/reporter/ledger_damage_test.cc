// SPDX-License-Identifier: Apache-2.0
//
// Ledgers that somebody has cut, flipped or made up: each is refused with a sentence or read as far
// as it goes, and all that comes after the reader takes what it gives. Meant to be run under
// AddressSanitizer, too.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <sstream>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/render/json.h"
#include "reporter/render/text.h"
#include "reporter/report/report_builder.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/ledger_reader.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

class LedgerDamageTest : public ::testing::Test {
 protected:
  // Reads the bytes, and shows what can be read in both formats.
  void ReadAndShow(const std::string& bytes) {
    WriteFile(path_, bytes);
    LedgerResult result = ReadLedger(AT_FDCWD, path_, path_);
    if (const auto* error = std::get_if<LedgerError>(&result)) {
      EXPECT_NE(error->sentence.find(path_), std::string::npos);
      ++refused_;
      return;
    }
    ++read_;
    std::vector<Snapshot> snapshots;
    snapshots.push_back(std::get<Snapshot>(std::move(result)));
    SetLife(Life::kLive, 4711, kTestStart + 2'000 * kTestSecond, &snapshots[0]);
    std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
    (void)SymboliseCallSites(snapshots, &symboliser_, &groups);
    const Report report = BuildReport(snapshots, groups, {}, {}, {kTestStart, "host"});
    std::ostringstream out;
    RenderReportText(report, {/*colour=*/true, /*native_frames=*/true}, out);
    RenderReportJson(report, out);
    EXPECT_FALSE(out.str().empty());
  }

  ScratchDirectory directory_;
  std::string path_ = directory_.Path("damaged.ledger");
  Symboliser symboliser_;
  int read_ = 0;
  int refused_ = 0;
};

TEST_F(LedgerDamageTest, CutAnywhere) {
  const std::string good = ExampleLedger().Bytes();
  for (size_t size = 0; size < good.size(); size += size < 64 ? 1 : 61) {
    ReadAndShow(good.substr(0, size));
  }
  EXPECT_EQ(read_, 0);
  EXPECT_GT(refused_, 100);
}

TEST_F(LedgerDamageTest, EachByteOfTheHeader) {
  const std::string good = ExampleLedger().Bytes();
  for (size_t at = 0; at < sizeof(ledger::Header); ++at) {
    for (const unsigned char flip : {0x01, 0x80, 0xff}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
      ReadAndShow(bytes);
    }
  }
  EXPECT_GT(read_, 0);
  EXPECT_GT(refused_, 0);
}

TEST_F(LedgerDamageTest, EachWordOfEachSectionAtItsExtremes) {
  const std::string good = ExampleLedger().Bytes();
  for (size_t at = ledger::kHeaderSize; at + 4 <= good.size(); at += 4) {
    for (const uint32_t value : {0u, 1u, 3u, 0x7fffffffu, 0x80000000u, 0xfffffffcu, 0xffffffffu}) {
      std::string bytes = good;
      std::memcpy(bytes.data() + at, &value, sizeof value);
      ReadAndShow(bytes);
    }
  }
  EXPECT_EQ(refused_, 0) << "damage behind the header leaves the rest readable";
}

TEST_F(LedgerDamageTest, EachWordOfInheritedConnections) {
  const std::string good = ExampleChildLedger().Bytes();
  ledger::Header header;
  std::memcpy(&header, good.data(), sizeof header);
  const ledger::Section& slots = header.sections[ledger::kConnections];
  const size_t end = slots.offset + uint64_t{slots.record_size} * slots.capacity;
  for (size_t at = slots.offset; at < end; at += 4) {
    for (const uint32_t value : {0u, 1u, 2u, 7u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
      std::string bytes = good;
      std::memcpy(bytes.data() + at, &value, sizeof value);
      ReadAndShow(bytes);
    }
  }
  EXPECT_EQ(refused_, 0);
}

TEST_F(LedgerDamageTest, Noise) {
  std::mt19937 random(20'250'131);
  const std::string good = ExampleLedger().Bytes();
  for (int round = 0; round < 500; ++round) {
    std::string bytes = good;
    const size_t first = round % 2 == 0 ? ledger::kHeaderSize : 32;
    for (int i = 0; i < 40; ++i) {
      bytes[first + random() % (bytes.size() - first)] = static_cast<char>(random());
    }
    ReadAndShow(bytes);
  }
  EXPECT_GT(read_, 200);
}

TEST_F(LedgerDamageTest, TimesOutOfOrder) {
  LedgerBuilder builder = ExampleLedger();
  for (ledger::ConnectionSlot& slot : builder.connections) {
    slot.opened_ns = ~uint64_t{0};
    slot.last_activity_ns = 1;
  }
  builder.header.created_monotonic_ns = ~uint64_t{0};
  builder.header.created_realtime_ns = ~uint64_t{0};
  ReadAndShow(builder.Bytes());
  EXPECT_EQ(read_, 1);
}

TEST_F(LedgerDamageTest, AllInMotion) {
  LedgerBuilder builder;
  for (int i = 0; i < 3'000; ++i) builder.AddConnection(0, 0, 1, 1, 1).sequence = 1;
  ReadAndShow(builder.Bytes());
  EXPECT_EQ(read_, 1);
}

}  // namespace
}  // namespace pqleash::reporter
