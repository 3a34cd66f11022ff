// SPDX-License-Identifier: Apache-2.0
//
// What each version of a server is asked, and what is made of its answers and of bad connection
// strings.

#include "reporter/server/server_sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "reporter/server/conninfo.h"
#include "reporter/server/server_query.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ServerSqlTest, EachVersionIsAskedForWhatItHas) {
  struct Case {
    int version;
    bool waits;
    bool types;
    bool wal_senders_count;
    bool reserved;
  };
  const Case cases[] = {
      {90'200, false, false, false, false}, {90'524, false, false, false, false},
      {90'600, true, false, false, false},  {100'000, true, true, true, false},
      {110'022, true, true, true, false},   {120'000, true, true, false, false},
      {150'020, true, true, false, false},  {160'000, true, true, false, true},
      {180'001, true, true, false, true},
  };
  for (const Case& test : cases) {
    const std::string backends = BackendsStatement(test.version);
    const std::string settings = SettingsStatement(test.version);
    EXPECT_EQ(Has(backends, "wait_event_type"), test.waits) << test.version;
    EXPECT_EQ(Has(backends, "pg_blocking_pids"), test.waits) << test.version;
    EXPECT_EQ(Has(backends, "backend_type"), test.types) << test.version;
    EXPECT_EQ(Has(backends, "walsender"), test.wal_senders_count) << test.version;
    EXPECT_EQ(Has(settings, "'reserved_connections'"), test.reserved) << test.version;
    EXPECT_EQ(Has(settings, "pg_use_reserved_connections"), test.reserved) << test.version;
    EXPECT_EQ(MissingFor(test.version).empty(), test.waits) << test.version;
    // The text of a query is nobody's business.
    EXPECT_FALSE(Has(backends, "query,") || Has(backends, " query ")) << backends;
  }
  EXPECT_THAT(MissingFor(90'524), ElementsAre(HasSubstr("PostgreSQL 9.5.24 is too old to say")));
}

TEST(ServerSqlTest, VersionsAreWrittenAsPeopleDo) {
  EXPECT_EQ(ServerVersion(150'020), "15.20");
  EXPECT_EQ(ServerVersion(100'000), "10.0");
  EXPECT_EQ(ServerVersion(90'624), "9.6.24");
}

Row NullRow(int columns) { return Row(static_cast<size_t>(columns)); }

TEST(ServerSqlTest, AnswersAreRead) {
  Row row = NullRow(kSettingsColumns);
  row[kMaxConnections] = "100";
  row[kSuperuserReserved] = "3";
  row[kReserved] = "5";
  row[kInRecovery] = "f";
  row[kSuperuser] = "t";
  row[kRoleLimit] = "-1";
  row[kDatabaseLimit] = "0";
  row[kOwnBackend] = "4711";
  const ServerSettings settings = ReadSettings(row);
  EXPECT_EQ(settings.max_connections, 100u);
  EXPECT_EQ(settings.superuser_reserved, 3u);
  EXPECT_EQ(settings.reserved, 5u);
  EXPECT_FALSE(settings.in_recovery);
  EXPECT_TRUE(settings.superuser);
  EXPECT_EQ(settings.role_limit, kNoConnectionLimit);
  EXPECT_EQ(settings.database_limit, 0);
  EXPECT_EQ(settings.own_backend, 4711);

  row = NullRow(kBackendColumns);
  row[kPid] = "17";
  row[kTakesSlot] = "t";
  row[kClientPort] = "-1";
  row[kStart] = "1763750000123456";
  row[kBlockedBy] = "9,0,9,8";
  const Backend backend = ReadBackend(row);
  EXPECT_EQ(backend.pid, 17);
  EXPECT_TRUE(backend.takes_slot);
  EXPECT_FALSE(backend.hidden);
  EXPECT_EQ(backend.client_port, -1);
  EXPECT_EQ(backend.start_ns, 1'763'750'000'123'456'000u);
  EXPECT_EQ(backend.transaction_start_ns, 0u);
  EXPECT_THAT(backend.blocked_by, ElementsAre(0, 8, 9));
}

TEST(ServerSqlTest, AnswersThatMakeNoSenseAreZero) {
  for (const char* nonsense :
       {"", "x", "-9223372036854775808", "99999999999999999999", "12x", "9223372036854775807"}) {
    Row row = NullRow(kBackendColumns);
    for (auto& value : row) value = nonsense;
    const Backend backend = ReadBackend(row);
    EXPECT_EQ(backend.pid, 0) << nonsense;
    EXPECT_EQ(backend.start_ns, 0u) << nonsense;
    EXPECT_FALSE(backend.takes_slot) << nonsense;
    Row settings = NullRow(kSettingsColumns);
    for (auto& value : settings) value = nonsense;
    EXPECT_EQ(ReadSettings(settings).own_backend, 0) << nonsense;
  }
}

// --- Connection strings --------------------------------------------------------------------------

TEST(ConninfoTest, GoodOnes) {
  std::string error;
  const auto pairs =
      ReadConninfo("host=db application_name='a b' password='my secret' connect_timeout=3", &error);
  ASSERT_TRUE(pairs) << error;
  EXPECT_EQ(pairs->application_name, "a b");
  EXPECT_EQ(pairs->connect_timeout_s, 3u);
  EXPECT_THAT(pairs->secrets, ElementsAre("my secret"));
  for (const char* text : {"", "orders", "postgresql://", "postgres://u:p%40w@h:1/d?sslmode=prefer",
                           "host=@abstract", "host=/tmp"}) {
    EXPECT_TRUE(ReadConninfo(text, &error)) << text << ": " << error;
  }
}

TEST(ConninfoTest, BadOnesAreNotRepeated) {
  struct Case {
    const char* text;
    const char* sentence;
  };
  const Case cases[] = {
      {"password=my s3cr3t host=x", "cannot be understood"},
      {"password='s3cr3t", "cannot be understood"},
      {"postgresql://u:s3cr3t@[x/d", "cannot be understood"},
      {"postgresql://u:s3cr3t@h/d?passwort=s3cr3t", "most like 'password'"},
      {"passwort=s3cr3t", "most like 'password'"},
      {"s3cr3t=1", "an option that libpq does not know (it is not shown"},
      {"postgresql://u:w@s3cr3t@h/d", "write an '@' in a password as %40"},
  };
  for (const Case& test : cases) {
    std::string error;
    EXPECT_FALSE(ReadConninfo(test.text, &error)) << test.text;
    EXPECT_THAT(error, HasSubstr(test.sentence)) << test.text;
    EXPECT_THAT(error, Not(HasSubstr("s3cr3t"))) << test.text;
  }
  std::string error;
  EXPECT_FALSE(ReadConninfo(std::string("host=a\0b", 8), &error));
}

TEST(ConninfoTest, MessagesBecomeOneLineWithoutSecrets) {
  EXPECT_EQ(OneLine("connection failed:  FATAL: x\n\tIs it running?\n\n", {}),
            "connection failed: FATAL: x; Is it running?");
  EXPECT_EQ(OneLine("a s3cr3t and s3cr3t", {"s3cr3t", "a"}), "a *** and ***");
  EXPECT_THAT(OneLine("\n \n", {}), IsEmpty());
}

}  // namespace
}  // namespace pqleash::reporter
