// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

TEST(ListenAddressTest, Good) {
  struct Case {
    const char* text;
    const char* host;
    int port;
    bool loopback;
    const char* url;
  };
  const Case cases[] = {
      {"127.0.0.1:9878", "127.0.0.1", 9878, true, "http://127.0.0.1:9878"},
      {"127.8.8.8:1", "127.8.8.8", 1, true, "http://127.8.8.8:1"},
      {"localhost:0", "127.0.0.1", 0, true, "http://127.0.0.1:0"},
      {"[::1]:65535", "::1", 65535, true, "http://[::1]:65535"},
      {"[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, true, "http://[::ffff:127.0.0.1]:80"},
      {"0.0.0.0:9878", "0.0.0.0", 9878, false, "http://0.0.0.0:9878"},
      {"[::]:9878", "::", 9878, false, "http://[::]:9878"},
      {"[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80, false, "http://[::ffff:10.0.0.1]:80"},
      {"128.0.0.1:80", "128.0.0.1", 80, false, "http://128.0.0.1:80"},
  };
  for (const Case& c : cases) {
    const auto parsed = ParseListenAddress(c.text);
    const auto* address = std::get_if<ListenAddress>(&parsed);
    ASSERT_NE(address, nullptr) << c.text << ": " << std::get<std::string>(parsed);
    EXPECT_EQ(address->host, c.host) << c.text;
    EXPECT_EQ(address->port, c.port) << c.text;
    EXPECT_EQ(address->loopback, c.loopback) << c.text;
    EXPECT_EQ(UrlOf(*address, address->port, false), c.url);
  }
}

TEST(ListenAddressTest, Bad) {
  for (const char* text :
       {"", ":", "9878", ":9878", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:+1", "127.0.0.1:9878x", "127.1:80", "example.org:80", "::1:80", "[::1]",
        "[127.0.0.1]:80", "[localhost]:80", "[::1:80", "*:80"}) {
    const auto parsed = ParseListenAddress(text);
    const auto* clause = std::get_if<std::string>(&parsed);
    ASSERT_NE(clause, nullptr) << text;
    EXPECT_THAT(*clause, ::testing::HasSubstr("expected ADDRESS:PORT")) << text;
  }
}

TEST(ListenAddressTest, HostsOfRequests) {
  for (const char* host : {"localhost", "localhost:9878", "127.0.0.1", "127.0.0.1:80", "[::1]",
                           "[::1]:80", "127.0.0.2:80"}) {
    EXPECT_TRUE(NamesThisHost(host, "127.0.0.1")) << host;
  }
  for (const char* host : {"", "evil.example", "evil.example:9878", "localhost.evil.example",
                           "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "[::1", "[]"}) {
    EXPECT_FALSE(NamesThisHost(host, "127.0.0.1")) << host;
  }
}

}  // namespace
}  // namespace pqleash::reporter
