// SPDX-License-Identifier: Apache-2.0
//
// Gives passwords in every way that libpq takes them, and sends texts that hold some: each secret
// begins with 's3cr3t'. Says 'ready' with its connections open and waits for the end of stdin.
//
//   logins PASSFILE SERVICEFILE [sealed]
//
// The files have a password each; the service is called 'shop'. Sealed: nobody but root may read
// its memory.

#include <libpq-fe.h>
#include <poll.h>
#include <sys/prctl.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

PGconn* Poll(PGconn* conn) {
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
    pollfd fd = {PQsocket(conn), short(status == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    poll(&fd, 1, 10'000);
    status = PQconnectPoll(conn);
  }
  return conn;
}

// The ways in which a connect fails count as well: what libpq says then may hold what it was given.
std::vector<PGconn*> Connect(const char* passfile, const char* service_file) {
  const char* const keys[] = {"password", "application_name", nullptr};
  const char* const values[] = {"s3cr3t-params", "kn0wn-w0rd", nullptr};
  const char* const dbname[] = {"dbname", nullptr};
  const char* const conninfo[] = {"password=s3cr3t-expanded sslpassword=s3cr3t-key", nullptr};
  const char* const uri[] = {"postgresql://:s3cr3t-expanded-uri@/?connect_timeout=5", nullptr};
  const std::string by_passfile = std::string("passfile=") + passfile;
  std::vector<PGconn*> conns = {
      PQconnectdb("password=s3cr3t-conninfo options='-c app.token=s3cr3t-options'"),
      PQconnectdb("postgresql://:s3cr3t-uri@/"),
      PQconnectdb("postgresql:///?password=s3cr3t-uri-parameter"),
      PQconnectdbParams(keys, values, 0),
      PQconnectdbParams(dbname, conninfo, 1),
      PQconnectdbParams(dbname, uri, 1),
      PQsetdbLogin(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, "s3cr3t-login"),
      PQsetdbLogin(nullptr, nullptr, nullptr, nullptr, "password=s3cr3t-login-conninfo", nullptr,
                   nullptr),
      Poll(PQconnectStart("password=s3cr3t-start")),
      PQconnectdb(by_passfile.c_str()),
      PQconnectdb("password=s3cr3t-refused host=/nonexistent"),
      PQconnectdb("password=s3cr3t-bad sslmode=s3cr3t"),
      PQconnectdb("password=s3cr3t-syntax s3cr3t-word"),
      PQconnectdb("password='s3cr3t-quote"),
      PQconnectdb("postgresql://user:s3cr3t-host@%zz/"),
  };
  setenv("PGPASSWORD", "s3cr3t-environment", 1);
  conns.push_back(PQconnectdb(""));
  unsetenv("PGPASSWORD");
  setenv("PGPASSFILE", passfile, 1);
  conns.push_back(PQconnectdb(""));
  setenv("PGSERVICEFILE", service_file, 1);
  conns.push_back(PQconnectdb("service=shop"));
  PQreset(conns[0]);
  return conns;
}

void Work(PGconn* conn) {
  const char* const parameters[] = {"s3cr3t-parameter"};
  PQclear(PQexec(conn, "CREATE TEMP TABLE t (x text)"));
  PQclear(PQexec(conn, "CREATE ROLE s3cr3t_role PASSWORD 's3cr3t-role'"));
  PQclear(PQexec(conn, "ALTER ROLE s3cr3t_role PASSWORD 's3cr3t-altered'"));
  PQclear(PQexec(conn, "DROP ROLE s3cr3t_role"));
  PQclear(PQexec(conn, "SELECT 's3cr3t-query' FROM s3cr3t_table"));
  PQclear(PQexecParams(conn, "SELECT $1::text", 1, nullptr, parameters, nullptr, nullptr, 0));
  PQclear(PQprepare(conn, "s3cr3t-name", "SELECT 's3cr3t-prepared', $1::text", 1, nullptr));
  PQclear(PQexecPrepared(conn, "s3cr3t-name", 1, parameters, nullptr, nullptr, 0));
  PQclear(PQexec(conn, "COPY t FROM STDIN"));
  const std::string row = "s3cr3t-row\n";
  PQputCopyData(conn, row.c_str(), static_cast<int>(row.size()));
  PQputCopyEnd(conn, nullptr);
  while (PGresult* result = PQgetResult(conn)) PQclear(result);
  PQclear(PQexec(conn, "NOTIFY shop, 's3cr3t-payload'"));
  PQsendQuery(conn, "SELECT 's3cr3t-sent', pg_sleep(0)");
  while (PGresult* result = PQgetResult(conn)) PQclear(result);
  // Left inside of a transaction that has failed by it.
  PQclear(PQexec(conn, "BEGIN"));
  PQclear(PQexec(conn, "SELECT s3cr3t_syntax_error('"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  if (argc > 3) prctl(PR_SET_DUMPABLE, 0);
  const std::vector<PGconn*> conns = Connect(argv[1], argv[2]);
  int established = 0;
  for (PGconn* conn : conns) {
    if (PQstatus(conn) != CONNECTION_OK) continue;
    ++established;
    Work(conn);
  }
  std::printf("ready %d\n", established);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  // Every other one is left open, for the report at the end.
  for (size_t i = 0; i < conns.size(); i += 2) PQfinish(conns[i]);
}
