// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/call_site_group.h"

#include <gtest/gtest.h>

#include "reporter/call_sites/same_stack.h"
#include "reporter/call_sites/told_apart.h"

namespace pqleash::reporter {
namespace {

Snapshot WithSite(uint64_t id, uint64_t open, uint64_t opened, uint64_t closed) {
  Snapshot snapshot;
  snapshot.call_sites.resize(2);
  snapshot.targets.resize(1);
  CallSite& site = snapshot.call_sites[1];
  site.id = id;
  site.open = site.peak = open;
  site.opened = opened;
  site.closed = closed;
  for (uint64_t i = 0; i < open; ++i) {
    Connection connection;
    connection.call_site = 1;
    snapshot.connections.push_back(connection);
  }
  return snapshot;
}

TEST(GroupCallSitesTest, SameIdInTwoProcessesIsOneCallSite) {
  const std::vector<Snapshot> snapshots = {WithSite(5, 2, 3, 1), WithSite(5, 4, 9, 5),
                                           WithSite(3, 1, 1, 0)};
  const std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].id, 3u);
  EXPECT_EQ(groups[1].id, 5u);
  EXPECT_EQ(groups[1].open, 6u);
  EXPECT_EQ(groups[1].opened, 12u);
  EXPECT_EQ(groups[1].closed, 6u);
  EXPECT_EQ(groups[1].peak, 6u);
  EXPECT_EQ(groups[1].members.size(), 2u);
  EXPECT_EQ(groups[1].connections.size(), 6u);
}

TEST(GroupCallSitesTest, WhatIsNotAttributedIsShownOnlyWhereThereIsSome) {
  std::vector<Snapshot> snapshots = {WithSite(5, 0, 1, 1)};
  EXPECT_EQ(GroupCallSites(snapshots).size(), 1u);
  snapshots[0].connections.emplace_back();  // of call site 0
  EXPECT_EQ(GroupCallSites(snapshots).size(), 2u);
  EXPECT_EQ(GroupCallSites(snapshots)[0].id, 0u);
}

SourceFrame At(const std::string& module, const std::string& function) {
  SourceFrame frame;
  frame.module = module;
  frame.function = function;
  frame.offset = 0x12;
  return frame;
}

CallSiteGroup Through(const std::vector<std::string>& functions) {
  CallSiteGroup group;
  for (const std::string& function : functions) group.frames.push_back(At("/srv/shop", function));
  group.opened = 1;
  return group;
}

// What a report calls it.
std::string NameOf(const CallSiteGroup& group) {
  return DescribeSite(group.frames, 0, group.caller);
}

// A frame with a line: of one call of several that a compiler made of it, `offset` tells which.
SourceFrame AtLine(const std::string& function, uint32_t line, uint64_t offset) {
  SourceFrame frame = At("/srv/shop", function);
  frame.file = "/src/shop.c";
  frame.line = line;
  frame.offset = offset;
  return frame;
}

Snapshot WithSites(const std::vector<uint64_t>& ids) {
  Snapshot snapshot;
  snapshot.call_sites.resize(1);
  snapshot.targets.resize(1);
  for (const uint64_t id : ids) {
    CallSite site;
    site.id = id;
    site.open = site.opened = site.peak = 1;
    site.first_ns = 100 - id;
    site.last_ns = 100 + id;
    Connection connection;
    connection.call_site = static_cast<uint32_t>(snapshot.call_sites.size());
    snapshot.call_sites.push_back(site);
    snapshot.connections.push_back(connection);
  }
  return snapshot;
}

TEST(MergeSameStacksTest, CallsThatACompilerMadeOfOneLineAreOneCallSite) {
  // The first process has not come by the call with the smallest id.
  std::vector<Snapshot> snapshots = {WithSites({7, 5, 9}), WithSites({5, 3, 9})};
  snapshots[0].connections[1].touched_site = 2;
  std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  ASSERT_EQ(groups.size(), 4u);  // 3, 5, 7, 9
  for (size_t i = 0; i < 3; ++i) groups[i].frames = {AtLine("lose", 7, i), AtLine("main", 9, i)};
  groups[3].frames = {AtLine("lose", 7, 0), AtLine("main", 10, 0)};

  MergeSameStacks(&snapshots, &groups);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].id, 3u);
  EXPECT_EQ(groups[0].ids, (std::vector<uint64_t>{3, 5, 7}));
  EXPECT_EQ(groups[0].open, 4u);
  EXPECT_EQ(groups[0].connections.size(), 4u);
  EXPECT_EQ(groups[0].members.size(), 2u) << "one in each process";
  EXPECT_EQ(groups[0].frames.size(), 2u);
  EXPECT_EQ(groups[1].id, 9u);
  EXPECT_EQ(groups[1].ids, (std::vector<uint64_t>{9}));
  EXPECT_EQ(groups[1].open, 2u);

  const CallSite& merged = snapshots[0].call_sites[1];
  EXPECT_EQ(merged.id, 3u);
  EXPECT_EQ(merged.opened, 2u);
  EXPECT_EQ(merged.peak, 2u);
  EXPECT_EQ(merged.first_ns, 93u);
  EXPECT_EQ(merged.last_ns, 107u);
  EXPECT_EQ(snapshots[0].connections[1].call_site, 1u);
  EXPECT_EQ(snapshots[0].connections[1].touched_site, 1u);
  EXPECT_EQ(snapshots[0].connections[2].call_site, 3u);
  EXPECT_EQ(snapshots[0].call_sites[2].opened, 0u);
}

TEST(MergeSameStacksTest, WithoutALineTheAddressTellsCallsApart) {
  std::vector<Snapshot> snapshots = {WithSites({1, 2, 3})};
  std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  groups[0].frames = {At("/srv/shop", "lose")};
  groups[1].frames = {At("/srv/shop", "lose")};
  groups[1].frames[0].offset = 0x34;
  MergeSameStacks(&snapshots, &groups);  // the third has no stack, nor may be taken for another
  EXPECT_EQ(groups.size(), 3u);
  EXPECT_EQ(snapshots[0].call_sites[2].id, 2u);
}

// What one handler keeps is one line, whoever calls the handler.
TEST(TellApartTest, PlacesThatOnlyTakeUpByWhereTheyFirstPart) {
  std::vector<CallSiteGroup> groups = {Through({"ask", "refund", "web", "main"}),
                                       Through({"ask", "refund", "batch", "main"}),
                                       Through({"ask", "order", "web", "main"})};
  for (CallSiteGroup& group : groups) group.opened = 0;
  TellApart({}, &groups);
  EXPECT_EQ(NameOf(groups[0]), "ask (/srv/shop+0x12), called by refund (/srv/shop+0x12)");
  EXPECT_EQ(NameOf(groups[1]), NameOf(groups[0]));
  EXPECT_EQ(NameOf(groups[2]), "ask (/srv/shop+0x12), called by order (/srv/shop+0x12)");
}

TEST(TellApartTest, ByTheFirstCallerThatNoOtherHas) {
  std::vector<CallSiteGroup> groups = {
      Through({"Open", "Pool", "main"}), Through({"Open", "Pool", "Worker", "main"}),
      Through({"Open", "Audit", "main"}), Through({"Connect", "main"})};
  TellApart({}, &groups);
  EXPECT_EQ(NameOf(groups[0]), "Open (/srv/shop+0x12), called by main (/srv/shop+0x12)");
  EXPECT_EQ(NameOf(groups[1]), "Open (/srv/shop+0x12), called by Worker (/srv/shop+0x12)");
  EXPECT_EQ(NameOf(groups[2]), "Open (/srv/shop+0x12), called by Audit (/srv/shop+0x12)");
  EXPECT_EQ(NameOf(groups[3]), "Connect (/srv/shop+0x12)") << "it is the only one";
}

TEST(TellApartTest, NothingIsSaidWhereNothingDiffers) {
  // Two calls on one line, and a recursion that one of them ends earlier.
  std::vector<CallSiteGroup> groups = {Through({"Open", "main"}), Through({"Open", "main"}),
                                       Through({"Open"}), Through({})};
  TellApart({}, &groups);
  EXPECT_EQ(NameOf(groups[0]), NameOf(groups[1]));
  EXPECT_EQ(NameOf(groups[2]), "Open (/srv/shop+0x12)");
  EXPECT_EQ(NameOf(groups[3]), "");
}

TEST(TellApartTest, AScriptIsToldApartByItsOwnFrames) {
  const auto script = [](const std::string& function) {
    SourceFrame frame;
    frame.language = Language::kPython;
    frame.function = function;
    frame.file = "/srv/shop/db.py";
    frame.line = 7;
    return frame;
  };
  std::vector<CallSiteGroup> groups(2);
  groups[0].frames = {script("connect"), At("/usr/bin/python3", "eval_a"), script("audit")};
  groups[1].frames = {script("connect"), At("/usr/bin/python3", "eval_b"), script("order")};
  TellApart({}, &groups);
  EXPECT_EQ(NameOf(groups[0]), "connect (/srv/shop/db.py:7), called by audit (/srv/shop/db.py:7)");
  EXPECT_EQ(NameOf(groups[1]), "connect (/srv/shop/db.py:7), called by order (/srv/shop/db.py:7)");
}

TEST(TellApartTest, ByTheApplicationsOwnCallersWhereTheseDiffer) {
  const auto script = [](const std::string& function, const std::string& file) {
    SourceFrame frame;
    frame.language = Language::kPython;
    frame.function = function;
    frame.file = file;
    return frame;
  };
  const std::string library = "/usr/lib/python3/dist-packages/flask/app.py";
  const SourceFrame open = script("connect", "/srv/shop/db.py");
  std::vector<CallSiteGroup> groups(4);
  groups[0].frames = {open, script("retry", library), script("audit", "/srv/shop/app.py")};
  groups[1].frames = {open, script("call", library), script("order", "/srv/shop/app.py")};
  // No line of the application's differs: any is better than none.
  groups[2].frames = {open, script("order", "/srv/shop/app.py"), script("get", library)};
  groups[3].frames = {open, script("order", "/srv/shop/app.py"), script("put", library)};
  TellApart({}, &groups);
  EXPECT_EQ(NameOf(groups[0]), "connect (/srv/shop/db.py), called by audit (/srv/shop/app.py)");
  groups.erase(groups.begin(), groups.begin() + 2);
  TellApart({}, &groups);
  EXPECT_EQ(NameOf(groups[0]), "connect (/srv/shop/db.py), called by get (" + library + ")");
  EXPECT_EQ(NameOf(groups[1]), "connect (/srv/shop/db.py), called by put (" + library + ")");
}

TEST(HeadlineFrameTest, FirstOneOutsideOfTheSystem) {
  EXPECT_EQ(HeadlineFrame({}), nullptr);
  const std::vector<SourceFrame> frames = {At("/usr/lib/libdriver.so", "open"),
                                           At("/opt/app/bin/app", "handle"),
                                           At("/opt/app/bin/app", "main")};
  EXPECT_EQ(HeadlineFrame(frames)->function, "handle");
  const std::vector<SourceFrame> system = {At("/lib/libdriver.so", "open"),
                                           At("/usr/bin/psql", "main")};
  EXPECT_EQ(HeadlineFrame(system)->function, "open");
  std::vector<SourceFrame> script = {At("/usr/lib/libdriver.so", "open"), At("", "view")};
  script[1].language = Language::kPython;
  script[1].file = "/srv/app/views.py";
  EXPECT_EQ(HeadlineFrame(script)->function, "view");
  script[1].file = "/usr/lib/python3/dist-packages/driver.py";
  EXPECT_EQ(HeadlineFrame(script)->function, "view") << "a script says more than its interpreter";
  const std::vector<SourceFrame> go = {At("/opt/app", "_cgo_f3ae00ff2045_Cfunc_PQconnectdb"),
                                       At("/opt/app", "runtime.asmcgocall.abi0"),
                                       At("/opt/app", "runtime.cgocall"),
                                       At("/opt/app", "main._Cfunc_PQconnectdb"),
                                       At("/opt/app", "main.open"),
                                       At("/opt/app", "runtime.main")};
  EXPECT_EQ(HeadlineFrame(go)->function, "main.open");
  // An address alone names nothing.
  EXPECT_EQ(HeadlineFrame({At("", ""), At("/opt/app", "")})->module, "/opt/app");

  SourceFrame header = At("/opt/app", "pqxx::connection::connection");
  header.file = "/usr/include/pqxx/basic_connection.hxx";
  SourceFrame own = At("/opt/app", "OpenReport");
  own.file = "/srv/app/report.cc";
  EXPECT_EQ(HeadlineFrame({header, own})->function, "OpenReport");
  EXPECT_EQ(HeadlineFrame({header})->function, "pqxx::connection::connection");
}

TEST(DescribeFrameTest, Table) {
  SourceFrame frame;
  EXPECT_EQ(DescribeFrame(nullptr), "");
  frame.offset = 0x7f00;
  EXPECT_EQ(DescribeFrame(&frame), "address 0x7f00");
  frame.module = "/opt/app";
  EXPECT_EQ(DescribeFrame(&frame), "/opt/app+0x7f00");
  frame.function = "handle";
  EXPECT_EQ(DescribeFrame(&frame), "handle (/opt/app+0x7f00)");
  frame.file = "app.cc";
  EXPECT_EQ(DescribeFrame(&frame), "handle (app.cc)");
  frame.line = 7;
  EXPECT_EQ(DescribeFrame(&frame), "handle (app.cc:7)");
}

}  // namespace
}  // namespace pqleash::reporter
