// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/answer_head.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace pqleash::reporter {
namespace {

TEST(AnswerHeadTest, SaysAllThatAClientNeeds) {
  HttpAnswer answer;
  answer.type = "application/json";
  answer.body = std::make_shared<const std::string>("{}\n");
  answer.headers = {{"Cache-Control", "no-store"}};
  EXPECT_EQ(AnswerHead(answer),
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n"
            "Content-Type: application/json\r\nCache-Control: no-store\r\n\r\n");
}

TEST(AnswerHeadTest, AnAnswerWithoutABodyHasNone) {
  HttpAnswer answer;
  answer.status = 503;
  EXPECT_EQ(AnswerHead(answer),
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n\r\n");
}

TEST(AnswerHeadTest, ARefusalHasNoBody) {
  EXPECT_EQ(RefusalHead(431),
            "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n"
            "Content-Length: 0\r\nCache-Control: no-store\r\n\r\n");
}

}  // namespace
}  // namespace pqleash::reporter
