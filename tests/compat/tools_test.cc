// SPDX-License-Identifier: Apache-2.0
//
// PostgreSQL's own programs under load: pgbench, pg_dump, pg_restore and psql say, write and end
// the same with the library and without.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <regex>
#include <set>

#include "tests/compat/ways.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

// --- pgbench: all of the server's connections ----------------------------------------------------

class Pgbench : public Compatible {
 protected:
  // Each transaction that was done has left a row.
  void ExpectTransactions(const Words& options, int clients, int transactions, int rows) {
    schema_ = {};
    after_ = [=](const std::string&) {
      EXPECT_EQ(
          OutputOf({"psql", "-XAtq", "-d", "work", "-c", "SELECT count(*) FROM pgbench_history"}),
          std::to_string(rows) + "\n");
    };
    const std::string pgbench = ServerProgram("pgbench");
    ExpectSame(
        [&](const std::string&) {
          OutputOf({pgbench, "-i", "-q", "work"});
          Words words = {pgbench, "-n", "-j4", "-c" + std::to_string(clients),
                         "-t" + std::to_string(transactions)};
          words.insert(words.end(), options.begin(), options.end());
          return Command{.arguments = words, .limit = std::chrono::seconds(100)};
        },
        Only("transactions actually|failed transactions|query mode|number of|error|FATAL|rror:"));
    const std::string all = std::to_string(clients * transactions);
    EXPECT_NE(bare().out.find("actually processed: " + all + "/" + all), std::string::npos)
        << bare().out << bare().err;
  }

  static int MaxConnections() {
    return atoi(Psql("SHOW max_connections").c_str());  // NOLINT(cert-err34-c)
  }
};

TEST_F(Pgbench, SimpleAtTheServersLimit) {
  const int clients = MaxConnections();
  ExpectTransactions({"-M", "simple"}, clients, 20, clients * 20);
}

TEST_F(Pgbench, PreparedAtTheServersLimit) {
  const int clients = MaxConnections();
  ExpectTransactions({"-M", "prepared"}, clients, 20, clients * 20);
}

TEST_F(Pgbench, PipelinesAtTheServersLimit) {
  const int clients = MaxConnections();
  ExpectTransactions({"-M", "extended", "-f", Source("sql/pipeline.sql")}, clients, 20,
                     clients * 20);
}

TEST_F(Pgbench, AConnectionForEachTransaction) {
  ExpectTransactions({"-C"}, MaxConnections() / 2, 10, MaxConnections() / 2 * 10);
}

// The one that finds no slot ends the whole, by either way of connecting.
TEST_F(Pgbench, OneMoreThanTheServerHas) {
  const std::string pgbench = ServerProgram("pgbench");
  const std::string clients = "-c" + std::to_string(MaxConnections() + 1);
  schema_ = "SELECT 1";
  ExpectSame(
      [&](const std::string&) {
        return Command{
            .arguments = {pgbench, "-n", "-j1", clients, "-t1", "-f", Source("sql/one.sql")}};
      },
      Only("too many clients"));
  EXPECT_EQ(bare().exit_code, 1);
}

// --- pg_dump and pg_restore ----------------------------------------------------------------------

class Dump : public Compatible {
 protected:
  void SetUp() override {
    Compatible::SetUp();
    schema_ = ReadFile(Source("sql/schema.sql"));
    same_database_ = true;  // or its numbers would differ
  }

  Command Shell(const std::string& script, const std::string& directory) const {
    return {.arguments = {"sh", "-ec", script, "sh", directory,
                          std::filesystem::path(ServerProgram("pg_dump")).parent_path()},
            .limit = std::chrono::seconds(100)};
  }

  // When the archive was made stands in seven numbers of five bytes, behind the magic, three bytes
  // of version, three of sizes and format, and the number for compression (pg_backup_archiver.c,
  // WriteHead).
  static void ForgetTime(const std::string& path) {
    std::string bytes = ReadFile(path);
    ASSERT_EQ(bytes.substr(0, 5), "PGDMP") << path;
    bytes.replace(16, 35, 35, '\0');
    WriteFile(path, bytes);
  }

  // Since the fix of CVE-2025-8714 each dump has a random word of its own.
  static void ForgetKey(const std::string& path) {
    WriteFile(path,
              std::regex_replace(ReadFile(path), std::regex("(restrict) [A-Za-z0-9]+\n"), "$1\n"));
  }

  std::set<std::string> FilesOf(Way way, const std::string& name) const {
    std::set<std::string> names;
    const std::string directory = DirectoryOf(way) + "/" + name;
    for (const auto& file : std::filesystem::directory_iterator(directory))
      names.insert(name + "/" + file.path().filename().string());
    return names;
  }
};

TEST_F(Dump, WritesTheSameBytes) {
  after_ = [](const std::string& directory) {
    ForgetTime(directory + "/custom");
    ForgetTime(directory + "/parallel/toc.dat");
    for (const char* name : {"/plain", "/inserts", "/globals"}) ForgetKey(directory + name);
  };
  ExpectSame([&](const std::string& directory) {
    return Shell(
        "cd $1; $2/pg_dump -Fp -f plain; $2/pg_dump -Fc -f custom; $2/pg_dump -Fd -j4 -f parallel;"
        " $2/pg_dump -Fp --inserts -t shop.orders -f inserts; $2/pg_dumpall -g -f globals; echo "
        "done",
        directory);
  });
  for (const char* name : {"plain", "custom", "inserts", "globals"}) ExpectSameFile(name);
  const std::set<std::string> files = FilesOf(Way::kBare, "parallel");
  EXPECT_GT(files.size(), 10u);
  for (const Way way : kWays) EXPECT_EQ(FilesOf(way, "parallel"), files);
  for (const std::string& name : files) ExpectSameFile(name);
}

TEST_F(Dump, RestoresTheSameDatabase) {
  // Both halves run with the library; what came of them is looked at without.
  after_ = [this](const std::string& directory) {
    for (const char* name : {"restored", "restored_serially"}) {
      WriteFile(directory + "/" + name, OutputOf({ServerProgram("pg_dump"), "-Fp", "-d", name}));
      ForgetKey(directory + "/" + name);
    }
    for (const char* name : {"restored", "restored_serially"})
      OutputOf({"psql", "-XAtq", "-d", "postgres", "-c", std::string("DROP DATABASE ") + name});
    std::filesystem::remove_all(directory + "/archive");
  };
  ExpectSame([&](const std::string& directory) {
    return Shell(
        "cd $1; $2/pg_dump -Fd -j2 -f archive; $2/createdb restored; $2/createdb "
        "restored_serially;"
        " $2/pg_restore -j4 -d restored archive; $2/pg_restore -1 -v -d restored_serially archive "
        "2>&1 |"
        " grep -c creating; $2/pg_restore -l archive | grep -v created",
        directory);
  });
  ExpectSameFile("restored");
  ExpectSameFile("restored_serially");
  EXPECT_NE(ReadFile(DirectoryOf(Way::kBare) + "/restored").find("a,b"), std::string::npos);
}

TEST_F(Dump, FailsTheSame) {
  ExpectSame([&](const std::string& directory) {
    return Shell(
        "cd $1; exec 2>&1; $2/pg_dump -d no_such_database || echo $?; $2/pg_dump -t no_such_table "
        "|| echo $?;"
        " $2/pg_dump -Fc -f archive; $2/pg_restore -d work archive | tail -n 3 || echo $?;"
        " $2/pg_restore -j3 -d no_such_database archive || echo $?",
        directory);
  });
}

// --- psql ----------------------------------------------------------------------------------------

class PsqlScript : public Compatible {
 protected:
  void ExpectSameSession(const std::string& name, int exit_code = 0) {
    ExpectSame(
        [&](const std::string& directory) {
          return Command{.arguments = {ServerProgram("psql"), "-X", "-a", "-v",
                                       "directory=" + directory, "-f", Source("sql/" + name)},
                         .directory = directory,
                         .err_to = "&1"};
        },
        [this](const std::string& text) {
          // Where a file was written to, and what the server gave out anew.
          const std::regex ours(std::regex_replace(observed_.file(""), std::regex("[.]"), "[.]") +
                                "(bare|recorded|capped)");
          return std::regex_replace(
              WithoutPids(std::regex_replace(text, ours, "DIRECTORY")),
              std::regex("(lo_import|lo_export|lo_unlink|pg_toast_|TOAST:? )( ?)[0-9]+"), "$1$2N");
        });
    EXPECT_EQ(bare().exit_code, exit_code) << bare().out;
  }
};

TEST_F(PsqlScript, Queries) { ExpectSameSession("queries.sql"); }
TEST_F(PsqlScript, Transactions) { ExpectSameSession("transactions.sql"); }
TEST_F(PsqlScript, BigResults) { ExpectSameSession("big_results.sql"); }
TEST_F(PsqlScript, Copy) {
  ExpectSameSession("copy.sql");
  ExpectSameFile("t.txt");
  ExpectSameFile("t.bin");
}
TEST_F(PsqlScript, Sessions) {
  ExpectSameSession("sessions.sql", 2);
  ExpectSameFile("exported");
}

TEST_F(PsqlScript, LosesItsSession) { ExpectSameSession("lost.sql", 2); }

// psql installs a handler that calls PQcancel.
TEST_F(PsqlScript, IsInterruptedAtTheTerminal) {
  Outcome bare;
  for (const Way way : kWays) {
    SCOPED_TRACE(NameOf(way));
    Subprocess psql(
        Prepared(way, {.arguments = {ServerProgram("psql"), "-X"},
                       .environment = {{"PGDATABASE", "postgres"}, {"PGAPPNAME", "interrupted"}},
                       .input = "SELECT 'begin';\nSELECT pg_sleep(60);\n"
                                "SELECT 'goes on' AS text;\n",
                       .err_to = "&1"}));
    EXPECT_TRUE(WaitUntil([] {
      return Psql(
                 "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'interrupted' "
                 "AND query LIKE '%pg_sleep%' AND state = 'active'") == "1";
    }));
    psql.Signal(SIGINT);
    const Outcome& outcome = psql.Wait();
    if (way == Way::kBare) bare = outcome;
    EXPECT_EQ(HowItEnded(outcome), HowItEnded(bare));
    EXPECT_EQ(outcome.out, bare.out);
    ExpectRecorded(way);
  }
  EXPECT_NE(bare.out.find("canceling statement due to user request"), std::string::npos);
}

}  // namespace
}  // namespace pqleash::testing
