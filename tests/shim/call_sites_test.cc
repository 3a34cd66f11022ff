// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/call_sites.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "tests/shim/call_site_fixture.h"

namespace pqleash::stack {
namespace {

uint64_t IdentityOf(std::initializer_list<Location> frames) {
  StackIdentity identity;
  for (const Location& frame : frames) identity.Add(frame);
  return identity.value();
}

// The value is part of what users keep (baselines, dashboards, tickets): it must never change.
TEST(StackIdentity, IsTheDocumentedHash) {
  // FNV-1a over 8 bytes of identity and 8 bytes of offset, least significant first, computed by
  // hand here.
  uint64_t expected = 0xcbf29ce484222325;
  for (const uint64_t word : {uint64_t{0x1122334455667788}, uint64_t{0x4711}}) {
    for (int i = 0; i < 8; ++i) expected = (expected ^ (word >> (8 * i) & 0xff)) * 0x100000001b3;
  }
  EXPECT_EQ(IdentityOf({{0, 0x4711, 0x1122334455667788}}), expected);
}

TEST(StackIdentity, TellsOffsetsModulesAndOrderApart) {
  const Location a = {0, 0x10, 1};
  const Location b = {1, 0x10, 2};
  const Location c = {0, 0x20, 1};
  EXPECT_NE(IdentityOf({a}), IdentityOf({b}));
  EXPECT_NE(IdentityOf({a}), IdentityOf({c}));
  EXPECT_NE(IdentityOf({a, b}), IdentityOf({b, a}));
  EXPECT_NE(IdentityOf({a}), IdentityOf({a, a}));
}

TEST(StackIdentity, DoesNotDependOnNumbersOrOnGeneratedCodesAddresses) {
  EXPECT_EQ(IdentityOf({{0, 0x10, 7}}), IdentityOf({{5, 0x10, 7}}));
  EXPECT_EQ(IdentityOf({{0, 0x10, 7}, {kNoModule, 0x1000, 0}, {kNoModule, 0x2000, 0}}),
            IdentityOf({{0, 0x10, 7}, {kNoModule, 0x3000, 0}}));
}

// Addresses in this program's code, `start` on.
Stack MakeStack(uint32_t count, uint32_t start = 0) {
  Stack stack = {};
  stack.count = count;
  for (uint32_t i = 0; i < count; ++i) {
    stack.addresses[i] = reinterpret_cast<const char*>(&IdentityOf) + 1 + start + i;
  }
  return stack;
}

TEST(CallSites, OneStackHasOneSite) {
  CallSiteFixture f;
  const LoaderState loader = ReadLoaderState();
  const uint32_t a = f.call_sites->Book(MakeStack(5), loader);
  const uint32_t b = f.call_sites->Book(MakeStack(6), loader);
  EXPECT_NE(a, 0u);
  EXPECT_NE(a, b);
  EXPECT_EQ(f.call_sites->Book(MakeStack(5), loader), a);
  EXPECT_EQ(f.SiteAt(a).frame_count, 5u);
  EXPECT_NE(f.SiteAt(a).id, 0u);
  // Forget the cache of raw addresses, as after an unload: the identity finds the site again.
  EXPECT_EQ(f.call_sites->Book(MakeStack(5), {loader.added, loader.removed + 1}), a);
  EXPECT_EQ(f.ledger->header().call_sites_used, 3u);
}

TEST(CallSites, FramesAreOffsetsInModules) {
  CallSiteFixture f;
  const Stack stack = MakeStack(3);
  const uint32_t site = f.call_sites->Book(stack, ReadLoaderState());
  for (uint32_t i = 0; i < 3; ++i) {
    const auto frame = f.ledger->At<uint64_t>(ledger::kFrames, f.SiteAt(site).first_frame + i);
    const ledger::Module& module = f.ModuleAt(static_cast<uint32_t>(ledger::FrameKind(frame) - 1));
    EXPECT_EQ(module.bias + ledger::FrameValue(frame),
              reinterpret_cast<uintptr_t>(stack.addresses[i]));
  }
}

// Adds a frame of a program whose interpreter is the innermost native frame.
void AddScript(CallSiteFixture& f, Stack* stack, const char* function, uint32_t line) {
  stack->script_frames[stack->script_count++] =
      f.script_frames->Intern(ledger::kPython, function, "/srv/app/views.py", line);
  stack->interpreter = stack->addresses[0];
}

TEST(CallSites, FramesOfAProgramStandWhereItsInterpreterRuns) {
  CallSiteFixture f;
  Stack stack = MakeStack(3);
  // The driver: an address in another module than the 'interpreter', this program.
  stack.addresses[0] = reinterpret_cast<const void*>(&strlen);
  AddScript(f, &stack, "open_report", 42);
  stack.interpreter = stack.addresses[1];
  const uint32_t site = f.call_sites->Book(stack, ReadLoaderState());
  ASSERT_EQ(f.SiteAt(site).frame_count, 4u);
  const uint32_t first = f.SiteAt(site).first_frame;
  EXPECT_NE(ledger::FrameKind(f.ledger->At<uint64_t>(ledger::kFrames, first)),
            ledger::kFrameScript);
  const auto script = f.ledger->At<uint64_t>(ledger::kFrames, first + 1);
  EXPECT_EQ(ledger::FrameKind(script), ledger::kFrameScript);
  const ledger::ScriptFrame& frame =
      f.script_frames->At(static_cast<uint32_t>(ledger::FrameValue(script)));
  EXPECT_EQ(f.script_frames->Text(frame.function), "open_report");
  EXPECT_EQ(frame.line, 42u);
}

TEST(CallSites, TwoFunctionsOfAProgramAreTwoSitesWhateverTheInterpreterDoes) {
  CallSiteFixture f;
  const LoaderState loader = ReadLoaderState();
  Stack view = MakeStack(3);
  AddScript(f, &view, "view", 10);
  Stack cron = MakeStack(3);
  AddScript(f, &cron, "cron", 20);
  Stack other_way = MakeStack(5, 7);  // the same function, by another way through the interpreter
  AddScript(f, &other_way, "view", 10);
  const uint32_t site = f.call_sites->Book(view, loader);
  EXPECT_NE(f.call_sites->Book(cron, loader), site);
  EXPECT_EQ(f.call_sites->Book(other_way, loader), site);
}

TEST(CallSites, TakeStacksUpToTheGreatestDepth) {
  CallSiteFixture f;
  for (const uint32_t depth : {1u, 31u, 32u, 33u, kMaxDepth - 1, kMaxDepth}) {
    const uint32_t site = f.call_sites->Book(MakeStack(depth), ReadLoaderState());
    EXPECT_EQ(f.SiteAt(site).frame_count, depth);
  }
}

TEST(CallSites, BeyondTheCapacityTheyAreCountedOnSiteZero) {
  CallSiteFixture f(4);
  const LoaderState loader = ReadLoaderState();
  for (uint32_t i = 1; i <= 3; ++i) EXPECT_EQ(f.call_sites->Book(MakeStack(i), loader), i);
  EXPECT_EQ(f.call_sites->Book(MakeStack(4), loader), 0u);
  EXPECT_EQ(f.call_sites->Book(MakeStack(0), loader), 0u);
  EXPECT_EQ(f.ledger->header().unrecorded_stacks, 2u);
  EXPECT_EQ(f.call_sites->Book(MakeStack(2), loader), 2u);
}

TEST(CallSites, ThreadsAgree) {
  CallSiteFixture f(32);
  std::vector<std::thread> threads;
  std::vector<std::vector<uint32_t>> seen(4, std::vector<uint32_t>(20));
  for (auto& mine : seen) {
    threads.emplace_back([&] {
      for (uint32_t i = 0; i < mine.size(); ++i)
        mine[i] = f.call_sites->Book(MakeStack(i + 1), ReadLoaderState());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : seen) EXPECT_EQ(mine, seen[0]);
  EXPECT_EQ(f.ledger->header().call_sites_used, 21u);
}

TEST(CallSites, UsesFillHalfOfTheRoomAndThenFindWhatIsThere) {
  CallSiteFixture f(16);
  const LoaderState loader = ReadLoaderState();
  EXPECT_EQ(f.call_sites->BookUse(MakeStack(0), loader, true), 0u);
  EXPECT_EQ(f.call_sites->BookUse(MakeStack(2), loader, false), 0u) << "is not there";
  const uint32_t opened = f.call_sites->Book(MakeStack(2), loader);
  EXPECT_NE(opened, 0u);
  EXPECT_EQ(f.call_sites->BookUse(MakeStack(2), loader, false), opened);
  uint32_t places = 1;
  for (; f.call_sites->HasRoomForUses(); ++places)
    EXPECT_NE(f.call_sites->BookUse(MakeStack(2, 10 * places), loader, true), 0u);
  EXPECT_EQ(places, 7u);  // with number 0 there are eight of sixteen
  EXPECT_NE(f.call_sites->Book(MakeStack(3), loader), 0u) << "connects have the rest";
  EXPECT_EQ(f.ledger->header().unrecorded_stacks, 0u);
}

TEST(CallSites, FramesOfAScriptCanBeFoundWithoutBeingAdded) {
  CallSiteFixture f;
  ledger::ScriptFrameTable& frames = *f.script_frames;
  EXPECT_EQ(frames.Find(ledger::kPython, "order", "app.py", 7), 0u);
  const uint32_t before = f.ledger->header().strings_used;
  EXPECT_EQ(frames.Find(ledger::kPython, "refund", "shop.py", 7), 0u);
  EXPECT_EQ(f.ledger->header().strings_used, before) << "nothing was written";
  const uint32_t number = frames.Intern(ledger::kPython, "order", "app.py", 7);
  EXPECT_NE(number, 0u);
  EXPECT_EQ(frames.Find(ledger::kPython, "order", "app.py", 7), number);
  EXPECT_EQ(frames.Find(ledger::kPython, "order", "app.py", 8), 0u);
  EXPECT_EQ(frames.Find(ledger::kRuby, "order", "app.py", 7), 0u);
  EXPECT_EQ(frames.Find(ledger::kPython, "", "app.py", 7), 0u);
}

}  // namespace
}  // namespace pqleash::stack
