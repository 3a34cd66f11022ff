// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/headline.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "reporter/call_sites/call_site_group.h"

namespace pqleash::reporter {
namespace {

constexpr const char kPsycopg2[] = "/usr/lib/python3/dist-packages/psycopg2/__init__.py";
constexpr const char kSqlalchemyBase[] = "/usr/lib/python3/dist-packages/sqlalchemy/engine/base.py";
constexpr const char kSession[] = "/usr/lib/python3/dist-packages/sqlalchemy/orm/session.py";
constexpr const char kThreading[] = "/usr/lib/python3.11/threading.py";
constexpr const char kPgPool[] = "/usr/lib/python3/dist-packages/psycopg_pool/pool.py";
constexpr const char kPsycopg[] = "/usr/lib/python3/dist-packages/psycopg/connection.py";
constexpr const char kActiveRecord[] =
    "/usr/share/rubygems-integration/all/gems/activerecord-6.1.7/lib/active_record/"
    "connection_adapters/abstract/connection_pool.rb";
constexpr const char kPuma[] =
    "/usr/share/rubygems-integration/3.1.0/gems/puma-5.6.5/lib/puma/thread_pool.rb";

// A stack of one language as it was recorded, innermost first: function and file of each frame.
std::vector<SourceFrame> Stack(Language language,
                               const std::vector<std::pair<const char*, std::string>>& calls) {
  std::vector<SourceFrame> frames;
  for (const auto& [function, file] : calls) {
    SourceFrame frame;
    frame.language = language;
    frame.function = function;
    frame.file = file;
    frame.line = 7;
    frames.push_back(frame);
  }
  return frames;
}

std::vector<SourceFrame> Python(const std::vector<std::pair<const char*, std::string>>& calls) {
  return Stack(Language::kPython, calls);
}

// 'function (file)' of the frame that is named, and of its caller where it comes with one.
std::string Named(const std::vector<SourceFrame>& frames,
                  const std::vector<std::string>& library_paths = {}) {
  const auto headline = HeadlineOf(frames, library_paths);
  if (!headline) return {};
  const auto describe = [&](size_t i) { return frames[i].function + " (" + frames[i].file + ")"; };
  std::string text = describe(headline->frame);
  if (headline->caller) text += " < " + describe(*headline->caller);
  return text;
}

Headline::Of KindOf(const std::vector<SourceFrame>& frames) { return HeadlineOf(frames, {})->of; }

TEST(HeadlineOfTest, GeneratedCodeBetweenIsNotTheApplications) {
  EXPECT_EQ(Named(Python({{"connect", kPsycopg2},
                          {"Session.execute", kSession},
                          {"execute", "<string>"},
                          {"sync_series", "/srv/shop/app.py"},
                          {"Thread._bootstrap", kThreading}})),
            "sync_series (/srv/shop/app.py)");
  EXPECT_EQ(Named(Python({{"connect", kPsycopg2},
                          {"__init__", "<attrs generated init shop.Db>"},
                          {"open_db", "/srv/shop/app.py"}})),
            "open_db (/srv/shop/app.py)");
  EXPECT_EQ(Named(Stack(Language::kRuby, {{"PG.connect", "/usr/lib/ruby/vendor_ruby/pg.rb"},
                                          {"db", "(eval at /srv/shop/app.rb:3)"},
                                          {"Shop#order", "/srv/shop/app.rb"},
                                          {"<main>", "/srv/shop/app.rb"}})),
            "Shop#order (/srv/shop/app.rb)");
  EXPECT_EQ(Named(Stack(Language::kPerl, {{"DBI::connect", "/usr/share/perl5/DBI.pm"},
                                          {"Shop::db", "(eval 169)"},
                                          {"Shop::order", "/srv/shop/Shop.pm"},
                                          {"(main)", "/srv/shop/run.pl"}})),
            "Shop::order (/srv/shop/Shop.pm)");
  EXPECT_EQ(Named(Stack(Language::kPhp, {{"open", "/srv/shop/x.php(12) : eval()'d code"},
                                         {"order", "/srv/shop/x.php"}})),
            "order (/srv/shop/x.php)");
}

TEST(HeadlineOfTest, AProgramThatWasTypedInIsTheApplication) {
  EXPECT_EQ(Named(Python({{"connect", kPsycopg2}, {"f", "<string>"}, {"<module>", "<string>"}})),
            "f (<string>)");
  EXPECT_EQ(Named(Python({{"connect", kPsycopg2},
                          {"f", "<string>"},
                          {"Thread.run", kThreading},
                          {"Thread._bootstrap", kThreading}})),
            "f (<string>)");
  EXPECT_EQ(Named(Stack(Language::kRuby,
                        {{"PG.connect", "/usr/lib/ruby/vendor_ruby/pg.rb"}, {"<main>", "-e"}})),
            "<main> (-e)");
  EXPECT_EQ(Named(Stack(Language::kPerl, {{"(main)", "-e"}})), "(main) (-e)");
}

TEST(HeadlineOfTest, GeneratedCodeThatAPackageCallsIsThatPackages) {
  EXPECT_EQ(Named(Python({{"connect", kPsycopg2},
                          {"Session.execute", kSession},
                          {"execute", "<string>"},
                          {"Backend.store", "/srv/venv/lib/python3.12/site-packages/celery/b.py"},
                          {"Thread._bootstrap", kThreading}})),
            "Backend.store (/srv/venv/lib/python3.12/site-packages/celery/b.py)");
  // What multiprocessing starts its children with is nobody's program.
  EXPECT_EQ(Named(Python({{"connect", kPsycopg2},
                          {"Worker.run", "/srv/venv/lib/python3.12/site-packages/jobs/w.py"},
                          {"spawn_main", "/usr/lib/python3.12/multiprocessing/spawn.py"},
                          {"<module>", "<string>"}})),
            "Worker.run (/srv/venv/lib/python3.12/site-packages/jobs/w.py)");
  EXPECT_EQ(Named(Python({{"connect", kPsycopg2},
                          {"spawn_main", "/usr/lib/python3.12/multiprocessing/spawn.py"},
                          {"<module>", "<string>"}})),
            std::string("connect (") + kPsycopg2 + ")");
}

TEST(HeadlineOfTest, APoolsOwnThreadIsNamedByWhereItWasEntered) {
  const auto worker =
      Python({{"PGconn.connect_start", "/usr/lib/python3/dist-packages/psycopg/pq/pq_ctypes.py"},
              {"Connection.connect", kPsycopg},
              {"ConnectionPool._connect", kPgPool},
              {"MaintenanceTask.run", kPgPool},
              {"ConnectionPool.worker", kPgPool},
              {"Thread.run", kThreading},
              {"Thread._bootstrap", kThreading}});
  EXPECT_EQ(Named(worker), std::string("ConnectionPool.worker (") + kPgPool + ")");
  EXPECT_EQ(KindOf(worker), Headline::Of::kThread);
  EXPECT_EQ(HeadlineOf(worker, {})->package, "psycopg_pool");

  // Its neighbour: a thread of the application's.
  const auto own = Python({{"Connection.connect", kPsycopg},
                           {"ConnectionPool._connect", kPgPool},
                           {"refill", "/srv/shop/app.py"},
                           {"Thread.run", kThreading},
                           {"Thread._bootstrap", kThreading}});
  EXPECT_EQ(Named(own), "refill (/srv/shop/app.py)");
  EXPECT_EQ(KindOf(own), Headline::Of::kApplication);
}

TEST(HeadlineOfTest, WhoRunsTheLoopHasNothingToDoWithATask) {
  const std::string pool = "/srv/venv/lib/python3.12/site-packages/psycopg_pool/pool_async.py";
  const auto worker = Python({{"AsyncConnection.connect", kPsycopg},
                              {"AsyncConnectionPool.worker", pool},
                              {"Handle._run", "/usr/lib/python3.12/asyncio/events.py"},
                              {"run", "/usr/lib/python3.12/asyncio/runners.py"},
                              {"<module>", "/srv/shop/app.py"}});
  EXPECT_EQ(Named(worker),
            "AsyncConnectionPool.worker (" + pool + ") < <module> (/srv/shop/app.py)");
  EXPECT_EQ(KindOf(worker), Headline::Of::kTask);

  const auto own = Python({{"AsyncConnection.connect", kPsycopg},
                           {"handle", "/srv/shop/app.py"},
                           {"Handle._run", "/usr/lib/python3.12/asyncio/events.py"},
                           {"<module>", "/srv/shop/app.py"}});
  EXPECT_EQ(Named(own), "handle (/srv/shop/app.py)");
  EXPECT_EQ(KindOf(own), Headline::Of::kApplication);
}

TEST(HeadlineOfTest, GemsAreNotTheApplicationWhereverTheyAreInTheStack) {
  EXPECT_EQ(Named(Stack(Language::kRuby, {{"PG.connect", "/usr/lib/ruby/vendor_ruby/pg.rb"},
                                          {"ConnectionPool#with_connection", kActiveRecord},
                                          {"block (2 levels) in <main>", "config.ru"},
                                          {"Puma::ThreadPool#spawn_thread", kPuma}})),
            "block (2 levels) in <main> (config.ru)");
  // A request that never came to the application's code.
  EXPECT_EQ(Named(Stack(Language::kRuby, {{"PG.connect", "/usr/lib/ruby/vendor_ruby/pg.rb"},
                                          {"ConnectionPool#checkout", kActiveRecord},
                                          {"Puma::ThreadPool#spawn_thread", kPuma}})),
            std::string("Puma::ThreadPool#spawn_thread (") + kPuma + ")");
}

TEST(HeadlineOfTest, AnInstalledApplicationIsNamedAndNeitherItsDriverNorItsStarter) {
  const std::string shop = "/srv/venv/lib/python3.12/site-packages/shop/db.py";
  EXPECT_EQ(Named(Python({{"connect", kPsycopg2},
                          {"Engine.connect", kSqlalchemyBase},
                          {"open_report", shop},
                          {"main", "/srv/venv/lib/python3.12/site-packages/shop/cli.py"},
                          {"<module>", "/srv/venv/bin/shop"}})),
            "open_report (" + shop + ")");
  // A program that lies there for itself is the application.
  EXPECT_EQ(Named(Python({{"connect", kPsycopg2}, {"<module>", "/usr/local/bin/nightly"}})),
            "<module> (/usr/local/bin/nightly)");
  EXPECT_EQ(Named(Python({{"connect", kPsycopg2},
                          {"main", "/usr/local/bin/nightly"},
                          {"<module>", "/usr/local/bin/nightly"}})),
            "main (/usr/local/bin/nightly)");
}

TEST(HeadlineOfTest, TheUsersGlobsAreNamedLast) {
  const auto frames =
      Python({{"connect", kPsycopg2}, {"take", "/srv/shop/db.py"}, {"order", "/srv/shop/app.py"}});
  EXPECT_EQ(Named(frames), "take (/srv/shop/db.py)");
  EXPECT_EQ(Named(frames, {"*/db.py"}), "order (/srv/shop/app.py)");
  EXPECT_EQ(Named(frames, {"*"}), "order (/srv/shop/app.py)");
}

TEST(HeadlineOfTest, TheStandardLibraryAloneIsNamedInside) {
  EXPECT_EQ(
      Named(Python({{"connect", "/usr/lib/python3.11/a.py"}, {"Thread._bootstrap", kThreading}})),
      "connect (/usr/lib/python3.11/a.py)");
}

// -------------------------------------------------------------------------------------------------
// Native code.

SourceFrame Native(const std::string& function, const std::string& file,
                   const std::string& module = "/srv/shop/bin/shop") {
  SourceFrame frame;
  frame.module = module;
  frame.function = function;
  frame.file = file;
  frame.offset = 0x12;
  return frame;
}

TEST(HeadlineOfTest, LibrariesInTheProgramsOwnModule) {
  const SourceFrame own = Native("shop::Open()", "/srv/shop/src/open.cc");
  const SourceFrame rust = Native("shop::db::open", "src/db.rs");
  struct Case {
    SourceFrame inner;
    SourceFrame outer;
    bool library;  // `inner` is one's
  };
  const Case cases[] = {
      {Native("pqxx::connection::init", "/usr/include/pqxx/connection.hxx"), own, true},
      {Native("std::make_unique", "/usr/include/c++/12/bits/unique_ptr.h"), own, true},
      {Native("std::function::operator()", "/opt/llvm/include/c++/v1/functional"), own, true},
      {Native("Pool::get", "/home/x/vcpkg_installed/x64-linux/include/pool.h"), own, true},
      {Native("Pool::get", "/build/_deps/pool-src/pool.cc"), own, true},
      {Native("diesel::connect", "/root/.cargo/registry/src/index-6f17/diesel-2/src/a.rs"), rust,
       true},
      {Native("core::ops::function::FnOnce::call_once", "/rustc/90b35a62/library/core/src/ops.rs"),
       rust, true},
      {Native("pool::get", "/root/.cargo/git/checkouts/pool-1a/2b/src/lib.rs"), rust, true},
      // Without lines the namespace has to tell.
      {Native("std::unique_ptr<C> std::make_unique<C, char const*>(char const*&&)", ""), own, true},
      {Native("pqxx::connection::connection(char const*)", ""), own, true},
      {Native("<diesel::pg::PgConnection as diesel::Connection>::establish", ""), rust, true},
      {Native("core::ops::function::FnOnce::call_once", ""), rust, true},
      {Native("std::unique_ptr<Conn> shop::Take<int>(int)", ""), own, false},
      {Native("shop::Pool<std::string>::Take(std::string)", ""), own, false},
      {Native("core::Database::Open()", ""), own, false},
      {Native("std::hash<shop::Key>::operator()", "/srv/shop/src/key.cc"), own, false},
      {Native("Take", "/srv/shop/src/include/take.h"), own, false},
  };
  for (const Case& test : cases) {
    const std::vector<SourceFrame> frames = {test.inner, test.outer};
    EXPECT_EQ(HeadlineOf(frames, {})->frame, test.library ? 1u : 0u) << test.inner.function;
  }
}

TEST(HeadlineOfTest, ALibraryIsOneWhereverItWasInstalled) {
  const SourceFrame own = Native("Open", "/srv/shop/open.cc");
  for (const char* module : {"/usr/local/lib/libpqxx-7.9.so", "/opt/conda/lib/libstdc++.so.6",
                             "/srv/shop/lib/libboost_thread.so.1.81"}) {
    const std::vector<SourceFrame> frames = {Native("f", "", module), own};
    EXPECT_EQ(HeadlineOf(frames, {})->frame, 1u) << module;
  }
  for (const char* module : {"/srv/shop/lib/libshop.so", "/srv/shop/bin/libpqxx"}) {
    const std::vector<SourceFrame> frames = {Native("f", "", module), own};
    EXPECT_EQ(HeadlineOf(frames, {})->frame, 0u) << module;
  }
}

TEST(CallersWereCutTest, OfAScriptItsFramesDecide) {
  CallSiteGroup group;
  group.frames = Python({{"connect", kPsycopg2}, {"Engine.connect", kSqlalchemyBase}});
  group.frames.push_back(Native("PyEval", "", "/usr/bin/python3"));
  EXPECT_FALSE(CallersWereCut(group));
  group.stack_truncated = true;
  EXPECT_TRUE(CallersWereCut(group));
  for (int i = 0; i < 3; ++i) group.frames.push_back(Native("PyEval", "", "/usr/bin/python3"));
  EXPECT_FALSE(CallersWereCut(group)) << "the interpreter's own frames were";
}

}  // namespace
}  // namespace pqleash::reporter
