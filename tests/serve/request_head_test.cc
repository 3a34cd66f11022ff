// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/request_head.h"

#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

TEST(RequestHeadTest, LetIn) {
  const RequestHead head = CheckHead(
      "GET /metrics?x=1 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1,0-1\r\nAccept-Encoding: "
      "br\r\nContent-Length: 5\r\nauthorization: Bearer x\r\n\r\nhello");
  EXPECT_EQ(head.status, 0);
  EXPECT_EQ(head.request.method, "GET");
  EXPECT_EQ(head.request.path, "/metrics") << "without the query";
  EXPECT_EQ(head.request.host, "localhost");
  EXPECT_EQ(head.request.authorization, "Bearer x");
  EXPECT_EQ(CheckHead("GET / HTTP/1.0\n\n").status, 0) << "lines may end without a return";
}

TEST(RequestHeadTest, PathsAreDecodedOnceAndValuesAreNot) {
  const auto path = [](const std::string& target) {
    return CheckHead("GET " + target + " HTTP/1.1\r\n\r\n").request.path;
  };
  EXPECT_EQ(path("/%6dEtrics"), "/mEtrics");
  EXPECT_EQ(path("/a%2Fb%2fc?%41"), "/a/b/c");
  EXPECT_EQ(path("/%2541"), "/%41");
  EXPECT_EQ(path("/a+b#c?d"), "/a+b");
  EXPECT_EQ(path("/%"), "/%");
  EXPECT_EQ(path("/%4"), "/%4");
  EXPECT_EQ(path("/%4x%zz"), "/%4x%zz");
  EXPECT_EQ(path("/%00x"), std::string("/\0x", 3));
  const HttpRequest request =
      CheckHead("GET / HTTP/1.1\r\nHOST:\t a%41 \t\r\nAuthorization: \r\n\r\n").request;
  EXPECT_EQ(request.host, "a%41");
  EXPECT_EQ(request.authorization, "");
}

TEST(RequestHeadTest, Refused) {
  const std::string line = "GET / HTTP/1.1\r\n";
  std::string many;
  for (size_t i = 0; i < kMaxHeaders; ++i) many += "X: 1\r\n";
  const struct {
    std::string bytes;
    int status;
  } cases[] = {
      {"", 400},
      {"\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET  HTTP/1.1\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\n\r\n", 400},
      {"G(T / HTTP/1.1\r\n\r\n", 400},
      {"GET metrics HTTP/1.1\r\n\r\n", 400},
      {"GET http://x/ HTTP/1.1\r\n\r\n", 400},
      {"GET /\x01 HTTP/1.1\r\n\r\n", 400},
      {"GET /\xff HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"GET / HTTP/1.11\r\n\r\n", 505},
      {"GET / FTP/1.1\r\n\r\n", 400},
      {"\x16\x03\x01\x02\n\n", 400},
      {"GET /" + std::string(kMaxTargetBytes, 'x') + " HTTP/1.1\r\n\r\n", 414},
      {line + "Host localhost\r\n\r\n", 400},
      {line + ": x\r\n\r\n", 400},
      {line + "Host : x\r\n\r\n", 400},
      {line + " folded: x\r\n\r\n", 400},
      {line + std::string("Host: a\0b\r\n\r\n", 13), 400},
      {line + "Host: a\r\nHost: b\r\n\r\n", 400},
      {line + "Authorization: a\r\nAuthorization: b\r\n\r\n", 400},
      {line + many + "X: 1\r\n\r\n", 431},
      {line + std::string(kMaxHeadBytes, 'x'), 431},
      {line + "Host: localhost\r\n", 400},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(CheckHead(c.bytes).status, c.status) << c.bytes.substr(0, 100);
    EXPECT_EQ(CheckHead(c.bytes).request.method, "") << "nothing of it is let in";
  }
  EXPECT_EQ(CheckHead(line + many + "\r\n").status, 0) << "as many as may be";
}

}  // namespace
}  // namespace pqleash::reporter
