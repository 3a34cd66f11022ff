// SPDX-License-Identifier: Apache-2.0
//
// unixODBC without a data source: the argument is the path of the driver.

#include <sql.h>
#include <sqlext.h>
#include <stdio.h>
#include <stdlib.h>

static SQLHENV environment;
static SQLCHAR conninfo[2048];

static SQLHDBC allocate(void) {
  SQLHDBC connection = SQL_NULL_HDBC;
  SQLAllocHandle(SQL_HANDLE_DBC, environment, &connection);
  return connection;
}

static void check(SQLRETURN result, const char* what) {
  if (SQL_SUCCEEDED(result)) return;
  fprintf(stderr, "%s failed\n", what);
  exit(1);
}

static void open_report(void) {
  SQLHDBC connection = allocate();
  SQLCHAR* in = conninfo;
  SQLRETURN result = SQLDriverConnect(connection, NULL, in, SQL_NTS, NULL, 0, NULL, 0);  // LEAK
  check(result, "open_report");
}

static void load_user(void) {
  SQLHDBC connection = allocate();
  SQLHSTMT statement = SQL_NULL_HSTMT;
  char user[64] = "";
  check(SQLDriverConnect(connection, NULL, conninfo, SQL_NTS, NULL, 0, NULL, 0), "load_user");
  SQLAllocHandle(SQL_HANDLE_STMT, connection, &statement);
  check(SQLExecDirect(statement, (SQLCHAR*)"SELECT current_user", SQL_NTS), "SELECT");
  check(SQLFetch(statement), "fetch");
  SQLGetData(statement, 1, SQL_C_CHAR, user, sizeof(user), NULL);
  printf("user %s\n", user);
  SQLFreeHandle(SQL_HANDLE_STMT, statement);
  SQLDisconnect(connection);
  SQLFreeHandle(SQL_HANDLE_DBC, connection);
}

int main(int count, char** words) {
  if (count != 3) return 2;
  snprintf((char*)conninfo, sizeof(conninfo),
           "Driver=%s;Servername=%s;Port=%s;Database=%s;Uid=%s;"
           "pqopt={application_name=report_service};",
           words[1], getenv("PGHOST"), getenv("PGPORT"), getenv("PGDATABASE"), getenv("PGUSER"));
  SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &environment);
  SQLSetEnvAttr(environment, SQL_ATTR_ODBC_VERSION, (SQLPOINTER)SQL_OV_ODBC3, 0);
  for (int left = atoi(words[2]); left > 0; --left) open_report();
  load_user();
  puts("ready");
  fflush(stdout);
  getchar();
  puts("done");
  return 0;
}
