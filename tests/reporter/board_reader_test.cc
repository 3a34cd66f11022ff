// SPDX-License-Identifier: Apache-2.0
//
// Boards as the library makes them, and boards that somebody has cut or flipped: read, or refused
// with a sentence.

#include "reporter/snapshot/board_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <sstream>

#include "reporter/caps/caps_report.h"
#include "reporter/render/caps_json.h"
#include "reporter/render/caps_text.h"
#include "reporter/snapshot/board_files.h"
#include "tests/reporter/example_board.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;

BoardSnapshot Read(const std::string& bytes) {
  BoardResult result = ReadBoard(AsBytes(bytes), "the.board");
  if (const auto* error = std::get_if<LedgerError>(&result)) {
    ADD_FAILURE() << error->sentence;
    return {};
  }
  return std::get<BoardSnapshot>(std::move(result));
}

LedgerError Refused(const std::string& bytes) {
  BoardResult result = ReadBoard(AsBytes(bytes), "the.board");
  const auto* error = std::get_if<LedgerError>(&result);
  return error != nullptr ? *error : LedgerError{LedgerError::Kind::kReadFailed, "was read"};
}

std::string Example() {
  MemoryBoard board;
  FillExample(&board);
  return board.Bytes();
}

constexpr size_t kShapeAt = offsetof(caps::BoardCore, shape);

caps::BoardHeader HeaderOf(const std::string& bytes) {
  caps::BoardHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

template <typename Value>
std::string With(std::string bytes, size_t at, const Value& value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

TEST(BoardReaderTest, PoliciesWithTheirCounters) {
  const BoardSnapshot board = Read(Example());
  ASSERT_EQ(board.policies.size(), 4u);
  EXPECT_THAT(board.warnings, ::testing::IsEmpty());
  const BoardPolicy& billing = board.policies[0];
  EXPECT_STREQ(billing.filed.name, "billing");
  EXPECT_STREQ(billing.filed.dbname, "billing*");
  EXPECT_EQ(billing.service, "shop");
  EXPECT_TRUE(billing.overridden);
  EXPECT_EQ(billing.changed_by, 4'242);
  EXPECT_EQ(billing.filed.rule.limit, 50u);
  EXPECT_EQ(billing.rule.limit, 3u);
  EXPECT_EQ(billing.counters.use, 3u);
  EXPECT_EQ(billing.counters.peak, 3u);
  EXPECT_EQ(billing.counters.waiting, 2u);
  EXPECT_EQ(billing.counters.admitted, 3u);
  EXPECT_NE(billing.counters.entered_ns, 0u);
  const BoardPolicy& storm = board.policies[1];
  EXPECT_EQ(storm.filed.kind, uint32_t{caps::kPace});
  EXPECT_EQ(storm.counters.server_full_count, 1u);
  EXPECT_NE(storm.counters.server_full_since_ns, 0u);
  EXPECT_GT(storm.counters.probe_at_ns, kBoardNow - kBoardSecond);
  EXPECT_TRUE(board.policies[3].from_operator);
  EXPECT_EQ(board.policies[3].service, "");
}

TEST(BoardReaderTest, WhoHoldsAndWhoWaits) {
  const BoardSnapshot board = Read(Example());
  ASSERT_EQ(board.members.size(), 2u);
  EXPECT_EQ(board.members[0].pid, 4'711);
  EXPECT_EQ(board.members[0].start_ticks, 5'000u);
  EXPECT_EQ(board.members[1].service, "shop");
  ASSERT_EQ(board.waiters.size(), 2u);
  EXPECT_EQ(board.waiters[0].member, 1u) << "the first that came";
  EXPECT_EQ(board.waiters[0].since_ns, kBoardNow - 4'500'000'000);
  EXPECT_EQ(board.waiters[0].deadline_ns, kBoardNow + 500'000'000);
  EXPECT_EQ(board.waiters[1].since_ns, kBoardNow - 2'500'000'000);
  ASSERT_GE(board.holders.size(), 2u);
  EXPECT_EQ(board.holders[0].policy, 0u);
  EXPECT_EQ(board.holders[0].count, 2u);
  EXPECT_EQ(board.holders[0].oldest_ns, kBoardNow - 120 * kBoardSecond);
  EXPECT_EQ(board.holders[0].label, "shop::Desk::Audit (order.cc:113)");
  EXPECT_EQ(board.holders[1].label, "main (tool.cc:7)");
}

TEST(BoardReaderTest, NothingYet) {
  EXPECT_EQ(Refused("").kind, LedgerError::Kind::kNotYetWritten);
  EXPECT_EQ(Refused(std::string(8'192, '\0')).kind, LedgerError::Kind::kNotYetWritten);
  MemoryBoard empty;
  EXPECT_EQ(Read(empty.Bytes()).policies.size(), 0u);
}

TEST(BoardReaderTest, RefusedWithASentence) {
  const std::string good = Example();
  struct Case {
    std::string bytes;
    LedgerError::Kind kind;
    const char* sentence;
  };
  const Case cases[] = {
      {"X" + good.substr(1), LedgerError::Kind::kNotALedger, "mark of a board"},
      {good.substr(0, 100), LedgerError::Kind::kTruncated, "has 100 bytes"},
      {good.substr(0, good.size() - 1), LedgerError::Kind::kTruncated, "it was truncated"},
      {With(good, offsetof(caps::BoardCore, version), uint32_t{7}),
       LedgerError::Kind::kOtherVersion, "has format version 7, expected 2"},
      {With(good, kShapeAt + offsetof(caps::CoreShape, records_offset), uint64_t{8}),
       LedgerError::Kind::kDamaged, "bytes of policies at 8"},
      {With(good, offsetof(caps::BoardHeader, entries_offset), ~uint64_t{0} - 5),
       LedgerError::Kind::kDamaged, "bytes of entries"},
      {With(good, offsetof(caps::BoardHeader, entry_capacity), ~uint32_t{0}),
       LedgerError::Kind::kDamaged, "bytes of entries"},
  };
  for (const Case& test : cases) {
    const LedgerError error = Refused(test.bytes);
    EXPECT_EQ(error.kind, test.kind) << error.sentence;
    EXPECT_THAT(error.sentence, HasSubstr(test.sentence));
    EXPECT_THAT(error.sentence, HasSubstr("board the.board "));
  }
}

TEST(BoardReaderTest, TextsWithoutAnEnd) {
  std::string bytes = Example();
  const caps::BoardHeader header = HeaderOf(bytes);
  std::memset(bytes.data() + header.core.shape.records_offset + offsetof(caps::Record, filed), 'n',
              sizeof(caps::Policy::name));
  std::memset(bytes.data() + header.core.shape.records_offset + offsetof(caps::Record, service),
              's', 64);
  std::memset(bytes.data() + header.core.shape.members_offset + offsetof(caps::Member, service),
              'm', 64);
  const BoardSnapshot board = Read(bytes);
  EXPECT_EQ(std::string(board.policies[0].filed.name), std::string(47, 'n'));
  EXPECT_EQ(board.policies[0].service, std::string(64, 's'));
  EXPECT_EQ(board.members[0].service, std::string(64, 'm'));
}

TEST(BoardReaderTest, EntriesOfNobodyAreCounted) {
  std::string bytes = Example();
  const caps::BoardHeader header = HeaderOf(bytes);
  for (uint64_t i = 0; i < header.entries_used; ++i) {
    const uint64_t entry = header.entries_offset + i * sizeof(caps::Entry);
    bytes = With(bytes, entry + offsetof(caps::Entry, member), uint32_t{0x80000001});
  }
  const BoardSnapshot board = Read(bytes);
  EXPECT_TRUE(board.holders.empty());
  EXPECT_TRUE(board.waiters.empty());
  ASSERT_EQ(board.warnings.size(), 1u);
  EXPECT_THAT(board.warnings[0], HasSubstr("6 entries name no process"));
}

// Damage: whatever is read can be shown.
class BoardDamageTest : public ::testing::Test {
 protected:
  void ReadAndShow(const std::string& bytes) {
    BoardResult result = ReadBoard(AsBytes(bytes), "the.board");
    if (const auto* error = std::get_if<LedgerError>(&result)) {
      EXPECT_THAT(error->sentence, HasSubstr("board the.board "));
      ++refused_;
      return;
    }
    ++read_;
    const auto& board = std::get<BoardSnapshot>(result);
    const CapsReport report =
        BuildCapsReport({{"/d/the.board", board}}, {{4'711, "shop", "/d/4711-1.ledger", board}},
                        kBoardNow, {}, {kBoardNow, "host"});
    std::ostringstream out;
    RenderCapsText(report, {/*colour=*/true, /*holders=*/true}, out);
    RenderCapsJson(report, out);
    EXPECT_FALSE(out.str().empty());
  }

  const std::string good_ = Example();
  const caps::BoardHeader header_ = HeaderOf(good_);
  int read_ = 0;
  int refused_ = 0;
};

TEST_F(BoardDamageTest, CutAnywhere) {
  for (size_t size = 0; size < good_.size(); size += 64) ReadAndShow(good_.substr(0, size));
  EXPECT_EQ(read_, 0);
  EXPECT_GT(refused_, 1'000);
}

TEST_F(BoardDamageTest, EachByteOfTheHeader) {
  for (size_t at = 0; at < sizeof(caps::BoardHeader); ++at) {
    for (const unsigned char flip : {0x01, 0x80, 0xff}) {
      std::string bytes = good_;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
      ReadAndShow(bytes);
    }
  }
  EXPECT_GT(read_, 0);
  EXPECT_GT(refused_, 0);
}

TEST_F(BoardDamageTest, EachWordInUseAtItsExtremes) {
  const struct {
    uint64_t begin;
    uint64_t size;
  } parts[] = {{header_.core.shape.records_offset, 5 * sizeof(caps::Record)},
               {header_.core.shape.members_offset, 3 * sizeof(caps::Member)},
               {header_.labels_offset, 16 * sizeof(caps::Label)},
               {header_.entries_offset, 7 * sizeof(caps::Entry)}};
  for (const auto& part : parts) {
    for (uint64_t at = part.begin; at < part.begin + part.size; at += 4) {
      for (const uint32_t value : {0u, 1u, 3u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
        ReadAndShow(With(good_, at, value));
      }
    }
  }
  EXPECT_EQ(refused_, 0) << "damage behind the header leaves the rest readable";
}

TEST_F(BoardDamageTest, Noise) {
  std::mt19937 random(20'250'131);
  for (int round = 0; round < 500; ++round) {
    std::string bytes = good_;
    for (int i = 0; i < 200; ++i) {
      bytes[256 + random() % (bytes.size() - 256)] = static_cast<char>(random());
    }
    ReadAndShow(bytes);
  }
  EXPECT_EQ(read_, 500);
}

// Files.

TEST(BoardFilesTest, Names) {
  EXPECT_EQ(ParseBoardName("caps-1-4026531836.board")->place.pid_namespace, 4'026'531'836u);
  const auto name = ParseBoardName("caps-2-4026531836-4026531834-5eedf00d.board");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->version, 2u);
  EXPECT_EQ(name->place, (caps::BoardPlace{4'026'531'836, 4'026'531'834, 0x5eedf00d}));
  for (const char* none :
       {"", "caps-1-.board", "caps-1-7.board.4711", "caps-01-7.board", "caps--1-7.board",
        "caps-1-+7.board", "xcaps-1-7.board", "caps-1-7.boar", "caps-1-99999999999999999999.board",
        "caps-2-7.board", "caps-2-7-8.board", "caps-2-7-8-9-1.board", "caps-2-7-8-0x9.board",
        "caps-2-7-8-9.board.4711"}) {
    EXPECT_FALSE(ParseBoardName(none)) << none;
  }
}

TEST(BoardFilesTest, OnlyARegularFileOfItsOwnerAlone) {
  const ScratchDirectory directory;
  const std::string path = directory.Path("caps-1-7.board");
  WriteFile(directory.Path("elsewhere"), Example());
  ASSERT_EQ(symlink(directory.Path("elsewhere").c_str(), path.c_str()), 0);
  BoardListing listing = ReadSharedBoards({directory.path()});
  EXPECT_EQ(listing.boards.size(), 0u);
  ASSERT_EQ(listing.problems.size(), 1u);
  ASSERT_EQ(unlink(path.c_str()), 0);
  WriteFile(path, Example());
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  listing = ReadSharedBoards({directory.path()});
  ASSERT_EQ(listing.problems.size(), 1u);
  EXPECT_THAT(listing.problems[0].sentence, HasSubstr("with mode 600"));
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  listing = ReadSharedBoards({directory.path(), directory.Path("none")});
  EXPECT_EQ(listing.problems.size(), 0u);
  ASSERT_EQ(listing.boards.size(), 1u);
  EXPECT_EQ(listing.boards[0].snapshot.policies.size(), 4u);
  EXPECT_EQ(listing.boards[0].owner, getuid());
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(ReadSharedBoards({directory.path()}).problems.size(), 1u) << "and it does not hang";
}

}  // namespace
}  // namespace pqleash::reporter
