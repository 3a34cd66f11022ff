// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/failure.h"

#include <gtest/gtest.h>

#include <string>

namespace pqleash::libpq {
namespace {

struct Case {
  const char* message;
  ledger::FailureClass reason;
  const char* text;
};

// As libpq 15 and 17 and their servers say it.
constexpr Case kCases[] = {
    {"connection to server at \"127.0.0.1\", port 5432 failed: Connection refused\n\tIs the server "
     "running on that host and accepting TCP/IP connections?\n",
     ledger::kFailureRefused, "Connection refused"},
    {"connection to server on socket \"/run/postgresql/.s.PGSQL.5432\" failed: No such file or "
     "directory\n\tIs the server running locally and accepting connections on that socket?\n",
     ledger::kFailureRefused, "No such file or directory"},
    {"connection to server at \"10.0.0.9\", port 5432 failed: timeout expired\n",
     ledger::kFailureTimeout, "timeout expired"},
    {"could not translate host name \"db.internal\" to address: Name or service not known\n",
     ledger::kFailureName, "\"db.internal\" to address: Name or service not known"},
    {"connection to server at \"10.0.0.9\", port 5432 failed: No route to host\n",
     ledger::kFailureUnreachable, "No route to host"},
    {"connection to server at \"db\" (10.0.0.9), port 5432 failed: FATAL:  password authentication "
     "failed for user \"app\"\n",
     ledger::kFailureAuthentication, "password authentication failed for user \"app\""},
    {"connection to server at \"db\", port 5432 failed: fe_sendauth: no password supplied\n",
     ledger::kFailureAuthentication, "fe_sendauth: no password supplied"},
    {"connection to server at \"db\", port 5432 failed: FATAL:  no pg_hba.conf entry for host "
     "\"10.0.0.1\", user \"app\", database \"shop\", no encryption\n",
     ledger::kFailureNotAllowed,
     "no pg_hba.conf entry for host \"10.0.0.1\", user \"app\", database \"shop\", no encryption"},
    {"connection to server at \"db\", port 5432 failed: server does not support SSL, but SSL was "
     "required\n",
     ledger::kFailureTls, "server does not support SSL, but SSL was required"},
    {"connection to server on socket \"/s\" failed: FATAL:  role \"nobody\" does not exist\n",
     ledger::kFailureNoRole, "role \"nobody\" does not exist"},
    {"connection to server on socket \"/s\" failed: FATAL:  database \"nil\" does not exist\n",
     ledger::kFailureNoDatabase, "database \"nil\" does not exist"},
    {"connection to server on socket \"/s\" failed: FATAL:  sorry, too many clients already\n",
     ledger::kFailureServerFull, "sorry, too many clients already"},
    {"connection to server on socket \"/s\" failed: FATAL:  schon zu viele Verbindungen\n",
     ledger::kFailureServerFull, "schon zu viele Verbindungen"},
    {"connection to server on socket \"/s\" failed: FATAL:  too many connections for role "
     "\"r12\"\n",
     ledger::kFailureRoleLimit, "too many connections for role \"r12\""},
    {"connection to server on socket \"/s\" failed: FATAL:  zu viele Verbindungen für Rolle "
     "»r12«\n",
     ledger::kFailureRoleLimit, "zu viele Verbindungen für Rolle »r12«"},
    {"connection to server on socket \"/s\" failed: FATAL:  the database system is starting up\n",
     ledger::kFailureServerUnready, "the database system is starting up"},
    {"something else\n", ledger::kFailureOther, ""},
};

TEST(Failure, IsToldByTheWordsOfLibpq) {
  for (const Case& test : kCases) {
    const Failure failure = FailureOf(test.message);
    EXPECT_EQ(failure.reason, test.reason) << test.message;
    EXPECT_EQ(failure.text, test.text) << test.message;
  }
}

TEST(Failure, OfAConninfoThatCannotBeParsedNothingIsKept) {
  for (const char* message :
       {"missing \"=\" after \"s3cret\" in connection info string\n",
        "invalid connection option \"s3cret\"\n", "invalid port number: \"s3cret\"\n",
        "invalid URI query parameter: \"s3cret\"\n",
        "unterminated quoted string in connection info string\n"}) {
    const Failure failure = FailureOf(message);
    EXPECT_EQ(failure.reason, ledger::kFailureConninfo) << message;
    EXPECT_EQ(failure.text, "") << message;
  }
}

TEST(Failure, WordsAreOneLineOfLimitedLength) {
  const std::string name(1'000, 'x');
  const std::string message = "connection to server at \"h\" failed: FATAL:  database \"" + name +
                              "\" does not exist\nDETAIL:  more\n";
  EXPECT_EQ(FailureOf(message.c_str()).text.size(), kMaxFailureText);
  EXPECT_EQ(FailureOf("failed: Connection refused").text, "Connection refused");
  EXPECT_EQ(FailureOf(nullptr).reason, ledger::kFailureOther);
  EXPECT_EQ(FailureOf("").text, "");
}

}  // namespace
}  // namespace pqleash::libpq
