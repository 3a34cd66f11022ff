// SPDX-License-Identifier: Apache-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "reporter/serve/config_arguments.h"
#include "reporter/serve/news.h"
#include "reporter/serve/shared_document.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(NewsTest, EachFindingOnce) {
  News news;
  const FindingKey leak = {"leak-suspect", 7, "orders"};
  const FindingKey other_place = {"leak-suspect", 8, "orders"};
  EXPECT_THAT(news.NewIn({leak, leak}, 0), ElementsAre(0));
  EXPECT_THAT(news.NewIn({leak, other_place}, kSecond), ElementsAre(1));
  EXPECT_THAT(news.NewIn({leak, other_place}, 2 * kSecond), IsEmpty());
  EXPECT_THAT(news.NewIn({}, 2 * kSecond + News::kForgetNs), IsEmpty());
  EXPECT_THAT(news.NewIn({leak}, 2 * kSecond + News::kForgetNs), IsEmpty()) << "just remembered";
  EXPECT_THAT(news.NewIn({other_place}, 3 * kSecond + News::kForgetNs), ElementsAre(0))
      << "an hour later it is new again";
}

TEST(NewsTest, Bounded) {
  News news;
  std::vector<FindingKey> keys;
  for (uint64_t i = 0; i < 2 * News::kMaxKnown; ++i) keys.push_back({"leak-suspect", i, ""});
  EXPECT_EQ(news.NewIn(keys, 0).size(), News::kMaxKnown);
  EXPECT_THAT(news.NewIn(keys, 1), IsEmpty());
}

TEST(ConfigArgumentsTest, GoodAndBad) {
  constexpr std::string_view kKeys[] = {"listen", "on_finding", "top"};
  const auto good =
      ConfigArguments("top = 5\non_finding = \"logger 'x y'\"\n# c\nlisten='[::1]:0'\n", kKeys);
  EXPECT_THAT(
      std::get<std::vector<std::string>>(good),
      ::testing::UnorderedElementsAre("--top=5", "--on-finding=logger 'x y'", "--listen=[::1]:0"));
  const std::pair<const char*, const char*> bad[] = {
      {"\nlisten = ", "line 2"},
      {"\n\nnothing = 1", "line 3: there is no 'nothing', expected one of listen, on_finding, top"},
      {"top = 1.5", "line 1: 'top' is neither a text in quotes nor a whole number"},
      {"[listen]\nx = 1", "'listen' is neither"},
      {"[[[listen]]]", "line 1"},  // what toml++ asserts not to be there
  };
  for (const auto& [toml, sentence] : bad) {
    const auto parsed = ConfigArguments(toml, kKeys);
    ASSERT_TRUE(std::holds_alternative<std::string>(parsed)) << toml;
    EXPECT_THAT(std::get<std::string>(parsed), HasSubstr(sentence));
  }
}

TEST(SharedDocumentTest, MadeOnceForAllWhoAsk) {
  std::atomic<int> made = 0;
  std::promise<void> go_on;
  const std::shared_future<void> goes_on = go_on.get_future().share();
  SharedDocument document(
      [&] {
        goes_on.wait();
        return std::to_string(++made);
      },
      std::chrono::hours(1), 8);
  std::vector<std::future<SharedDocument::Text>> texts;
  for (int i = 0; i < 8; ++i) {
    texts.push_back(std::async(std::launch::async, [&] { return document.Get(); }));
  }
  go_on.set_value();
  for (auto& text : texts) EXPECT_EQ(*text.get(), "1");
  EXPECT_EQ(made, 1);
}

TEST(SharedDocumentTest, WhoCannotWaitGetsNone) {
  std::promise<void> begun;
  std::promise<void> go_on;
  SharedDocument document(
      [&] {
        begun.set_value();
        go_on.get_future().wait();
        return std::string("text");
      },
      std::chrono::hours(1), 0);
  auto first = std::async(std::launch::async, [&] { return document.Get(); });
  begun.get_future().wait();
  EXPECT_EQ(document.Get(), nullptr);
  go_on.set_value();
  EXPECT_EQ(*first.get(), "text");
}

TEST(SharedDocumentTest, AFailureIsNoText) {
  int tries = 0;
  SharedDocument document(
      [&]() -> std::string {
        if (++tries == 1) throw std::runtime_error("no memory");
        return "text";
      },
      std::chrono::hours(1), 0);
  EXPECT_EQ(document.Get(), nullptr);
  EXPECT_EQ(*document.Get(), "text");
}

}  // namespace
}  // namespace pqleash::reporter
