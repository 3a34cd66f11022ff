// SPDX-License-Identifier: Apache-2.0
//
// Programs that use the rarer parts of libpq do the same with the library and without.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "tests/compat/ways.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

class Compat : public Compatible {
 protected:
  void ExpectSameProgram(const Words& words, const Shown& shown = Everything) {
    ExpectSame(
        [&](const std::string&) {
          return Command{.arguments = words, .limit = std::chrono::seconds(100)};
        },
        shown);
    EXPECT_EQ(bare().exit_code, 0) << HowItEnded(bare()) << bare().out << bare().err;
  }
};

TEST_F(Compat, Pipeline) {
  ExpectSameProgram({Program("pipeline")});
  EXPECT_NE(bare().out.find("PGRES_PIPELINE_ABORTED"), std::string::npos);
  EXPECT_NE(bare().out.find("PGRES_SINGLE_TUPLE"), std::string::npos);
  EXPECT_NE(bare().out.find("sent 2000 received 2000"), std::string::npos) << bare().out;
}

TEST_F(Compat, Notify) {
  ExpectSameProgram({Program("notify")});
  EXPECT_NE(bare().out.find("orders '500' from the other"), std::string::npos) << bare().out;
}

TEST_F(Compat, Cancel) {
  ExpectSameProgram({Program("cancel")});
  EXPECT_NE(bare().out.find("handled 1\nby signal: PGRES_FATAL_ERROR ERROR:  canceling"),
            std::string::npos)
      << bare().out;
}

TEST_F(Compat, LargeObjects) {
  WriteFile(observed_.file("file"), std::string(300'000, 'f'));
  ExpectSame([&](const std::string& directory) {
    return Command{
        .arguments = {Program("large_objects"), observed_.file("file"), directory + "/exported"}};
  });
  ExpectSameFile("exported");
  EXPECT_EQ(ReadFile(DirectoryOf(Way::kBare) + "/exported").size(), 1'000'000u);
}

TEST_F(Compat, Copy16MiB) { ExpectSameProgram({Program("copy"), "16"}); }
TEST_F(Compat, Copy16MiBWithoutBlocking) { ExpectSameProgram({Program("copy"), "16", "n"}); }

TEST_F(Compat, Copy1GiB) {
  ExpectSameProgram({Program("copy"), "1024"});
  EXPECT_NE(bare().out.find("1048576 lines"), std::string::npos) << bare().out;
}

// --- Encryption ----------------------------------------------------------------------------------

class Encryption : public Compat {
 protected:
  void SetUp() override {
    Compat::SetUp();
    MakeCertificates();
    // The files must be the server's own: it writes them itself.
    Give("server.crt");
    Give("server.key");
    Give("ca.crt");
    Psql(
        "COPY (SELECT unnest(ARRAY['local all all trust', 'hostssl all all 127.0.0.1/32 cert'])) "
        "TO PROGRAM 'cat > pg_hba.conf'");
    for (const char* setting : {"ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'",
                                "ssl_ca_file = 'ca.crt'", "ssl = on"})
      Psql(std::string("ALTER SYSTEM SET ") + setting);
    Psql("SELECT pg_reload_conf()");
    ASSERT_TRUE(WaitUntil([&] {
      return RunToEnd({.arguments = {"psql", "-XAtqc", "SELECT 1", With("dbname=postgres")}})
                 .exit_code == 0;
    })) << RunToEnd({.arguments = {"psql", "-XAtqc", "SELECT 1", With("dbname=postgres")}}).err;
  }

  void MakeCertificates() const {
    WriteFile(observed_.file("make"), R"(set -e
certificate() {  # NAME SUBJECT EXTENSION ISSUER
  openssl req -newkey rsa:2048 -nodes -keyout $1.key -out $1.csr -subj "$2"
  echo "$3" >$1.ext
  openssl x509 -req -in $1.csr -CA $4.crt -CAkey $4.key -CAcreateserial -days 2 -extfile $1.ext -out $1.crt
}
for authority in ca other; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout $authority.key -out $authority.crt -days 2 -subj "/CN=$authority"
done
certificate server /CN=localhost subjectAltName=DNS:localhost ca
certificate client /CN=postgres basicConstraints=CA:FALSE ca
certificate stranger /CN=postgres basicConstraints=CA:FALSE other
certificate nobody /CN=nobody basicConstraints=CA:FALSE ca
openssl rsa -aes128 -passout pass:secret -in client.key -out locked.key
chmod 600 *.key
)");
    const Outcome made = RunToEnd({.arguments = {"sh", "make"}, .directory = observed_.file("")});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }

  void Give(const std::string& name) const {
    Psql("COPY (SELECT unnest(string_to_array($file$" + ReadFile(observed_.file(name)) +
         "$file$, E'\\n'))) TO PROGRAM 'umask 077; cat > " + name + "'");
  }

  // A conninfo over TCP with the client's certificate, unless `more` says otherwise.
  std::string With(const std::string& more) const {
    return "host=localhost hostaddr=127.0.0.1 dbname=work sslmode=verify-full sslrootcert=" +
           observed_.file("ca.crt") + " sslcert=" + observed_.file("client.crt") +
           " sslkey=" + observed_.file("client.key") + " " + more;
  }
};

TEST_F(Encryption, CertificatesOfBothSides) {
  ExpectSameProgram(
      {Program("connect"), With("dbname=postgres"),
       With("sslmode=require ssl_min_protocol_version=TLSv1.3"),
       With("ssl_max_protocol_version=TLSv1.2"),
       With("channel_binding=disable sslcompression=0 sslsni=0"),
       With("sslkey=" + observed_.file("locked.key") + " sslpassword=secret"),
       // And what fails, with what libpq says of it.
       With("sslkey=" + observed_.file("locked.key") + " sslpassword=wrong"),
       With("sslcert=" + observed_.file("stranger.crt") +
            " sslkey=" + observed_.file("stranger.key")),
       With("sslcert=" + observed_.file("nobody.crt") + " sslkey=" + observed_.file("nobody.key")),
       With("sslcert=" + observed_.file("none") + " sslkey="),
       With("sslrootcert=" + observed_.file("other.crt")), With("host=otherhost"),
       With("sslmode=disable"), With("sslmode=allow"), With("sslmode=nonsense"),
       With("ssl_min_protocol_version=TLSv9")});
  EXPECT_NE(bare().out.find("ssl true/CN=postgres TLSv1.3"), std::string::npos) << bare().out;
  EXPECT_NE(bare().out.find("certificate verify failed"), std::string::npos) << bare().out;
}

// What a host does with OpenSSL itself stays its own: a session through COPY over TLS.
TEST_F(Encryption, CopyOverTls) {
  ExpectSame([&](const std::string&) {
    return Command{.arguments = {Program("copy"), "4"},
                   .environment = {{"PGHOST", "localhost"},
                                   {"PGHOSTADDR", "127.0.0.1"},
                                   {"PGSSLMODE", "verify-full"},
                                   {"PGSSLROOTCERT", observed_.file("ca.crt")},
                                   {"PGSSLCERT", observed_.file("client.crt")},
                                   {"PGSSLKEY", observed_.file("client.key")}}};
  });
  EXPECT_NE(bare().out.find("4096 lines"), std::string::npos) << bare().out << bare().err;
}

// --- GSSAPI: off, as nearly everywhere; without a ticket it is tried, and refused ----------------

TEST_F(Compat, GssEncryptionModes) {
  const std::string host = std::string("host=localhost hostaddr=127.0.0.1 ");
  ExpectSameProgram({Program("connect"), host + "gssencmode=disable", host + "gssencmode=prefer",
                     host + "gssencmode=require", host + "gssencmode=nonsense",
                     "gssencmode=disable", "gssencmode=require"});
  const std::string libpq = OutputOf({"ldd", Program("connect")});
  std::string path = libpq.substr(libpq.find("libpq.so.5 => ") + 14);
  path = path.substr(0, path.find(' '));
  const bool built = OutputOf({"ldd", path}).find("libgssapi") != std::string::npos;
  printf("libpq (%s) is built %s GSSAPI\n", path.c_str(), built ? "with" : "without");
}

// --- Several hosts: a primary, a hot standby and some that are dead ------------------------------

class SeveralHosts : public Compat {
 protected:
  void SetUp() override {
    Compat::SetUp();
    dead_port_ = BindWithoutListening();
    StartStandby();
  }
  void TearDown() override {
    if (standby_ != nullptr) {
      standby_->Signal(SIGINT);
      EXPECT_EQ(standby_->Wait().exit_code, 0);
    }
    close(bound_);
  }

  // A port of 127.0.0.1 where nobody answers, and nobody else will.
  std::string BindWithoutListening() {
    bound_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(bound_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(bound_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    return std::to_string(ntohs(address.sin_port));
  }

  // PostgreSQL does not run as root; its account must be able to reach what is its own. Whatever
  // becomes of the test, its server goes with it.
  Words AsServer(const Words& words) const {
    Words all = {"setpriv", "--pdeathsig", "QUIT"};
    if (geteuid() == 0)
      all.insert(all.end(), {"--reuid=postgres", "--regid=postgres", "--clear-groups"});
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }

  void StartStandby() {
    const std::string directory = observed_.file("standby");
    OutputOf({"chmod", "755", observed_.file("")});
    std::filesystem::create_directory(directory);
    if (geteuid() == 0) OutputOf({"chown", "postgres:", directory});
    OutputOf(AsServer(
        {ServerProgram("pg_basebackup"), "-R", "-Xstream", "-cfast", "-D", directory + "/data"}));
    // Its own port: the kernel gives one that is free, and a second try takes another.
    for (int attempt = 0; attempt < 5 && standby_ == nullptr; ++attempt) {
      standby_port_ = std::to_string(20'000 + (getpid() * 7 + attempt * 997) % 40'000);
      auto server = std::make_unique<Subprocess>(Command{
          .arguments = AsServer({ServerProgram("postgres"), "-D", directory + "/data", "-k",
                                 directory, "-p", standby_port_, "-c", "listen_addresses=127.0.0.1",
                                 "-c", "dynamic_shared_memory_type=mmap"}),
          .environment = {{"LD_PRELOAD", std::nullopt}},
          .err_to = "&1",
          .limit = std::chrono::seconds(100)});
      const bool up = WaitUntil([&] {
        return RunToEnd({.arguments = {"psql", "-XAtqc", "SELECT pg_is_in_recovery()", "-h",
                                       directory, "-p", standby_port_, "postgres"}})
                   .out == "t\n";
      });
      if (up) standby_ = std::move(server);
    }
    ASSERT_NE(standby_, nullptr) << "the standby did not start";
  }

  // 'd', 'p' and 's' for a dead host, the primary and the standby.
  std::string Hosts(const std::string& order, const std::string& more) const {
    std::string hosts, ports;
    for (const char which : order) {
      hosts += hosts.empty() ? "host=" : ",";
      hosts += which == 'P' ? getenv("PGHOST") : which == 'D' ? "/no/such/directory" : "127.0.0.1";
      ports += ports.empty() ? "port=" : ",";
      ports += which == 'd' ? dead_port_ : which == 's' ? standby_port_ : getenv("PGPORT");
    }
    return hosts + " " + ports + " dbname=postgres " + more;
  }

  int bound_ = -1;
  std::string dead_port_;
  std::string standby_port_;
  std::unique_ptr<Subprocess> standby_;
};

TEST_F(SeveralHosts, TargetSessionAttributes) {
  Words words = {Program("connect")};
  for (const char* target :
       {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}) {
    for (const char* order : {"ps", "sp", "dsp", "dP", "dDs"})
      words.push_back(Hosts(order, std::string("target_session_attrs=") + target));
  }
  words.push_back(Hosts("dD", ""));
  words.push_back(Hosts("sp", "target_session_attrs=nonsense"));
  words.push_back(Hosts("dps", "connect_timeout=3 target_session_attrs=standby"));
  ExpectSameProgram(words);
  EXPECT_NE(bare().out.find("in recovery t"), std::string::npos) << bare().out;
  EXPECT_NE(bare().out.find("session is read-only"), std::string::npos) << bare().out;
  EXPECT_NE(bare().out.find("Connection refused"), std::string::npos) << bare().out;
}

}  // namespace
}  // namespace pqleash::testing
