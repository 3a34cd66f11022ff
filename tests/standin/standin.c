// SPDX-License-Identifier: Apache-2.0
//
// A stand-in for libpq: the functions of shim/interpose/functions.def and what programs call beside
// them, with connections that exist in memory alone. What happens is written in the conninfo:
//
//   standin_outcome=ok        the connection is established (default)
//   standin_outcome=fail      CONNECTION_BAD, with a message
//   standin_outcome=null      NULL, as when libpq has no memory
//   standin_hang_ms=N         the connect takes N milliseconds: blocking ones wait in a
//   cancellation point,
//                             asynchronous ones want to be polled until then
//   standin_work_us=N         a blocking connect computes for N microseconds of its thread's time
//   standin_polls=N           an asynchronous connect wants N polls (default 2)
//   sslmode=…                 of none that libpq knows: CONNECTION_BAD at once, for good
//
// As in libpq, the host in use is not known between the start of a connect and its first poll: who
// asks for it then is ended by abort().
//
// Queries: BEGIN, COMMIT, ROLLBACK move the transaction status; 'SELECT pg_backend_pid()', 'SELECT
// pg_sleep(N)' and 'SELECT 1/0' do what they do on a server; text with RAISE NOTICE calls the
// notice processor; all else returns '1'.
//
// It is as cheap as it can be, so that a benchmark sees the interception and not libpq, and it
// calls its own functions where libpq 15 does (fe-connect.c, fe-exec.c): through the PLT, unless
// linked with -Bsymbolic-functions.

#include <errno.h>
#include <libpq-events.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define STANDIN_EXPORT __attribute__((visibility("default"), used))

#define MAX_EVENT_PROCS 4

enum Outcome { OUTCOME_OK, OUTCOME_FAIL, OUTCOME_NULL };

struct EventProc {
  PGEventProc call;
  void* pass_through;
  void* data;
};

struct pg_conn {
  ConnStatusType status;
  PGTransactionStatusType transaction;
  int backend_pid;
  enum Outcome outcome;
  int hang_ms;
  int work_us;
  int polls;
  int polls_left;
  int blocking;    // a blocking call of ours drives the connect
  int result_due;  // a query was sent and PQgetResult has not returned NULL since
  int nonblocking;
  int event_proc_count;
  int options_valid;
  int current_host;  // -1: none yet
  PGresult* result;  // what PQgetResult returns next
  PQnoticeReceiver notice_receiver;
  void* receiver_argument;
  PQnoticeProcessor notice_processor;
  void* notice_argument;
  struct EventProc event_procs[MAX_EVENT_PROCS];
  char host[64];
  char port[16];
  char dbname[64];
  char user[64];
  char application_name[64];
  char fallback_application_name[64];
  char connect_timeout[16];
  char error[512];
};

struct pg_result {
  ExecStatusType status;
  char* value;  // the one field; NULL: no row
  char text[32];
};

struct pg_cancel {
  int unused;
};

// libpq 17.
typedef struct pg_cancel_conn PGcancelConn;
struct pg_cancel_conn {
  PGconn* hidden;
};

static char one[] = "1";
static PGresult select_one = {PGRES_TUPLES_OK, one, ""};
static PGresult command_ok = {PGRES_COMMAND_OK, NULL, ""};

static void SetText(char* field, size_t size, const char* text, size_t length) {
  if (length >= size) length = size - 1;
  memcpy(field, text, length);
  field[length] = '\0';
}

static void NoticeToStderr(void* argument, const char* message) {
  (void)argument;
  fprintf(stderr, "%s", message);
}

static int KeyIs(const char* key, size_t length, const char* name) {
  return strlen(name) == length && memcmp(key, name, length) == 0;
}

static void SetSslMode(PGconn* conn, const char* value, size_t length) {
  static const char* const known[] = {"disable", "allow",     "prefer",
                                      "require", "verify-ca", "verify-full"};
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); ++i) {
    if (KeyIs(value, length, known[i])) {
      conn->options_valid = 1;
      return;
    }
  }
  conn->options_valid = 0;
  snprintf(conn->error, sizeof(conn->error), "invalid sslmode value: \"%.*s\"\n", (int)length,
           value);
}

static void SetOption(PGconn* conn, const char* key, size_t key_length, const char* value,
                      size_t length) {
  char number[16];
  SetText(number, sizeof(number), value, length);
  if (KeyIs(key, key_length, "standin_outcome")) {
    conn->outcome = KeyIs(value, length, "fail")   ? OUTCOME_FAIL
                    : KeyIs(value, length, "null") ? OUTCOME_NULL
                                                   : OUTCOME_OK;
  } else if (KeyIs(key, key_length, "standin_hang_ms")) {
    conn->hang_ms = atoi(number);  // NOLINT(cert-err34-c): written by our own tests
  } else if (KeyIs(key, key_length, "standin_work_us")) {
    conn->work_us = atoi(number);  // NOLINT(cert-err34-c)
  } else if (KeyIs(key, key_length, "standin_polls")) {
    conn->polls = atoi(number);  // NOLINT(cert-err34-c)
  } else if (KeyIs(key, key_length, "host")) {
    SetText(conn->host, sizeof(conn->host), value, length);
  } else if (KeyIs(key, key_length, "port")) {
    SetText(conn->port, sizeof(conn->port), value, length);
  } else if (KeyIs(key, key_length, "dbname")) {
    SetText(conn->dbname, sizeof(conn->dbname), value, length);
  } else if (KeyIs(key, key_length, "user")) {
    SetText(conn->user, sizeof(conn->user), value, length);
  } else if (KeyIs(key, key_length, "application_name")) {
    SetText(conn->application_name, sizeof(conn->application_name), value, length);
  } else if (KeyIs(key, key_length, "fallback_application_name")) {
    SetText(conn->fallback_application_name, sizeof(conn->fallback_application_name), value,
            length);
  } else if (KeyIs(key, key_length, "connect_timeout")) {
    SetText(conn->connect_timeout, sizeof(conn->connect_timeout), value, length);
  } else if (KeyIs(key, key_length, "sslmode")) {
    SetSslMode(conn, value, length);
  }
}

static PGconn* NewConnection(void) {
  static int next_pid = 1000;
  PGconn* conn = malloc(sizeof(*conn));
  if (conn == NULL) return NULL;
  memset(conn, 0, sizeof(*conn));  // as makeEmptyPGconn of libpq does
  conn->status = CONNECTION_NEEDED;
  conn->transaction = PQTRANS_IDLE;
  conn->backend_pid = __atomic_add_fetch(&next_pid, 1, __ATOMIC_RELAXED);
  conn->outcome = OUTCOME_OK;
  conn->polls = conn->polls_left = 2;
  conn->options_valid = 1;
  conn->notice_processor = NoticeToStderr;
  memcpy(conn->port, "5432", 5);
  return conn;
}

// Words of the form key=value; a value has no spaces.
static void ReadConninfo(PGconn* conn, const char* conninfo) {
  const char* p = conninfo;
  while (*p != '\0') {
    while (*p == ' ') ++p;
    const char* equals = strchr(p, '=');
    if (equals == NULL) return;
    const size_t length = strcspn(equals + 1, " ");
    SetOption(conn, p, (size_t)(equals - p), equals + 1, length);
    p = equals + 1 + length;
  }
}

static void SleepMilliseconds(int ms) {
  struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
  while (nanosleep(&time, &time) != 0 && errno == EINTR) {
  }
}

// Time that others take from the thread is not work that it has done.
static void WorkMicroseconds(int us) {
  struct timespec begin, now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
  do {
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  } while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < us * 1000L);
}

// connectDBComplete(): static in libpq, and calls PQconnectPoll through the PLT.
static void Complete(PGconn* conn) {
  conn->blocking = 1;
  for (;;) {
    const PostgresPollingStatusType polled = PQconnectPoll(conn);
    if (polled == PGRES_POLLING_OK || polled == PGRES_POLLING_FAILED) break;
  }
  conn->blocking = 0;
}

// connectDBStart(): one PQconnectPoll, before which nothing has been sent anywhere.
static void Start(PGconn* conn) {
  if (!conn->options_valid) {
    conn->status = CONNECTION_BAD;
    return;
  }
  conn->status = CONNECTION_NEEDED;
  conn->current_host = -1;
  conn->error[0] = '\0';
  conn->polls_left = conn->polls;
  if (PQconnectPoll(conn) != PGRES_POLLING_WRITING) conn->status = CONNECTION_BAD;
}

static void FireEvent(PGconn* conn, PGEventId id) {
  for (int i = 0; i < conn->event_proc_count; ++i) {
    struct EventProc* proc = &conn->event_procs[i];
    if (id == PGEVT_CONNDESTROY) {
      PGEventConnDestroy event = {conn};
      proc->call(id, &event, proc->pass_through);
    } else if (id == PGEVT_CONNRESET) {
      PGEventConnReset event = {conn};
      proc->call(id, &event, proc->pass_through);
    } else {
      PGEventRegister event = {conn};
      proc->call(id, &event, proc->pass_through);
    }
  }
}

// --- Opening, polling, resetting, closing --------------------------------------------------------

STANDIN_EXPORT PGconn* PQconnectStart(const char* conninfo) {
  PGconn* conn = NewConnection();
  if (conn == NULL) return NULL;
  ReadConninfo(conn, conninfo);
  if (conn->outcome == OUTCOME_NULL) {
    free(conn);
    return NULL;
  }
  Start(conn);
  return conn;
}

STANDIN_EXPORT PGconn* PQconnectStartParams(const char* const* keywords, const char* const* values,
                                            int expand_dbname) {
  PGconn* conn = NewConnection();
  if (conn == NULL) return NULL;
  for (; *keywords != NULL; ++keywords, ++values) {
    if (*values == NULL) continue;
    if (expand_dbname && strcmp(*keywords, "dbname") == 0 && strchr(*values, '=') != NULL) {
      ReadConninfo(conn, *values);
    } else {
      SetOption(conn, *keywords, strlen(*keywords), *values, strlen(*values));
    }
  }
  if (conn->outcome == OUTCOME_NULL) {
    free(conn);
    return NULL;
  }
  Start(conn);
  return conn;
}

STANDIN_EXPORT PGconn* PQconnectdb(const char* conninfo) {
  PGconn* conn = PQconnectStart(conninfo);
  if (conn != NULL && conn->status != CONNECTION_BAD) Complete(conn);
  return conn;
}

STANDIN_EXPORT PGconn* PQconnectdbParams(const char* const* keywords, const char* const* values,
                                         int expand_dbname) {
  PGconn* conn = PQconnectStartParams(keywords, values, expand_dbname);
  if (conn != NULL && conn->status != CONNECTION_BAD) Complete(conn);
  return conn;
}

STANDIN_EXPORT PGconn* PQsetdbLogin(const char* host, const char* port, const char* options,
                                    const char* tty, const char* dbname, const char* login,
                                    const char* password) {
  (void)options, (void)tty, (void)password;
  PGconn* conn = NewConnection();
  if (conn == NULL) return NULL;
  if (dbname != NULL && strchr(dbname, '=') != NULL) {
    ReadConninfo(conn, dbname);
  } else if (dbname != NULL) {
    SetText(conn->dbname, sizeof(conn->dbname), dbname, strlen(dbname));
  }
  if (host != NULL) SetText(conn->host, sizeof(conn->host), host, strlen(host));
  if (port != NULL) SetText(conn->port, sizeof(conn->port), port, strlen(port));
  if (login != NULL) SetText(conn->user, sizeof(conn->user), login, strlen(login));
  Start(conn);
  if (conn->status != CONNECTION_BAD) Complete(conn);
  return conn;
}

STANDIN_EXPORT PostgresPollingStatusType PQconnectPoll(PGconn* conn) {
  if (conn == NULL) return PGRES_POLLING_FAILED;
  if (conn->status == CONNECTION_OK) return PGRES_POLLING_OK;
  if (conn->status == CONNECTION_BAD) return PGRES_POLLING_FAILED;
  if (conn->status == CONNECTION_NEEDED) {
    conn->status = CONNECTION_STARTED;
    conn->current_host = 0;
    return PGRES_POLLING_WRITING;
  }
  if (conn->blocking) {
    if (conn->hang_ms > 0) SleepMilliseconds(conn->hang_ms);
    if (conn->work_us > 0) WorkMicroseconds(conn->work_us);
  } else {
    if (conn->hang_ms > 0) SleepMilliseconds(1);
    if (conn->polls_left-- > 1 || conn->hang_ms-- > 0) return PGRES_POLLING_READING;
  }
  if (conn->outcome == OUTCOME_FAIL) {
    conn->status = CONNECTION_BAD;
    conn->transaction = PQTRANS_UNKNOWN;
    conn->backend_pid = 0;
    memcpy(conn->error, "stand-in: connection refused\n", 30);
    return PGRES_POLLING_FAILED;
  }
  conn->status = CONNECTION_OK;
  conn->transaction = PQTRANS_IDLE;
  return PGRES_POLLING_OK;
}

STANDIN_EXPORT void PQreset(PGconn* conn) {
  if (conn == NULL) return;
  Start(conn);
  if (conn->status == CONNECTION_BAD) return;
  Complete(conn);
  if (conn->status == CONNECTION_OK) FireEvent(conn, PGEVT_CONNRESET);
}

STANDIN_EXPORT int PQresetStart(PGconn* conn) {
  if (conn == NULL) return 0;
  Start(conn);
  return conn->status != CONNECTION_BAD;
}

STANDIN_EXPORT PostgresPollingStatusType PQresetPoll(PGconn* conn) {
  if (conn == NULL) return PGRES_POLLING_FAILED;
  const PostgresPollingStatusType polled = PQconnectPoll(conn);
  if (polled == PGRES_POLLING_OK) FireEvent(conn, PGEVT_CONNRESET);
  return polled;
}

STANDIN_EXPORT void PQfinish(PGconn* conn) {
  if (conn == NULL) return;
  FireEvent(conn, PGEVT_CONNDESTROY);
  if (conn->result != NULL) PQclear(conn->result);
  free(conn);
}

STANDIN_EXPORT PGPing PQpingParams(const char* const* keywords, const char* const* values,
                                   int expand_dbname) {
  PGconn* conn = PQconnectStartParams(keywords, values, expand_dbname);
  if (conn != NULL && conn->status != CONNECTION_BAD) Complete(conn);
  const PGPing answer =
      conn != NULL && conn->status == CONNECTION_OK ? PQPING_OK : PQPING_NO_RESPONSE;
  PQfinish(conn);
  return answer;
}

STANDIN_EXPORT PGPing PQping(const char* conninfo) {
  PGconn* conn = PQconnectStart(conninfo);
  if (conn != NULL && conn->status != CONNECTION_BAD) Complete(conn);
  const PGPing answer =
      conn != NULL && conn->status == CONNECTION_OK ? PQPING_OK : PQPING_NO_RESPONSE;
  PQfinish(conn);
  return answer;
}

// --- State ---------------------------------------------------------------------------------------

STANDIN_EXPORT ConnStatusType PQstatus(const PGconn* conn) {
  return conn != NULL ? conn->status : CONNECTION_BAD;
}
STANDIN_EXPORT PGTransactionStatusType PQtransactionStatus(const PGconn* conn) {
  if (conn == NULL || conn->status != CONNECTION_OK) return PQTRANS_UNKNOWN;
  return conn->result_due ? PQTRANS_ACTIVE : conn->transaction;
}
STANDIN_EXPORT int PQbackendPID(const PGconn* conn) {
  return conn != NULL && conn->status == CONNECTION_OK ? conn->backend_pid : 0;
}
static char* OfCurrentHost(const PGconn* conn, const char* field) {
  if (conn == NULL) return NULL;
  if (conn->current_host < 0) {
    fprintf(stderr, "stand-in: libpq would read in front of an array\n");
    abort();
  }
  return (char*)field;
}
STANDIN_EXPORT char* PQhost(const PGconn* conn) {
  return OfCurrentHost(conn, conn != NULL ? conn->host : NULL);
}
STANDIN_EXPORT char* PQhostaddr(const PGconn* conn) { return conn != NULL ? (char*)"" : NULL; }
STANDIN_EXPORT char* PQport(const PGconn* conn) {
  return OfCurrentHost(conn, conn != NULL ? conn->port : NULL);
}
STANDIN_EXPORT char* PQdb(const PGconn* conn) { return conn != NULL ? (char*)conn->dbname : NULL; }
STANDIN_EXPORT char* PQuser(const PGconn* conn) { return conn != NULL ? (char*)conn->user : NULL; }
STANDIN_EXPORT char* PQpass(const PGconn* conn) { return OfCurrentHost(conn, ""); }
STANDIN_EXPORT char* PQtty(const PGconn* conn) { return conn != NULL ? (char*)"" : NULL; }
STANDIN_EXPORT char* PQoptions(const PGconn* conn) { return conn != NULL ? (char*)"" : NULL; }
STANDIN_EXPORT char* PQerrorMessage(const PGconn* conn) {
  return conn != NULL ? (char*)conn->error : (char*)"connection pointer is NULL\n";
}
STANDIN_EXPORT const char* PQparameterStatus(const PGconn* conn, const char* name) {
  if (conn == NULL || conn->status != CONNECTION_OK) return NULL;
  if (strcmp(name, "application_name") == 0) return conn->application_name;
  if (strcmp(name, "server_version") == 0) return "15.0";
  return NULL;
}
STANDIN_EXPORT int PQsocket(const PGconn* conn) {
  (void)conn;
  return -1;
}
STANDIN_EXPORT int PQprotocolVersion(const PGconn* conn) { return conn != NULL ? 3 : 0; }
STANDIN_EXPORT int PQserverVersion(const PGconn* conn) { return conn != NULL ? 150000 : 0; }
STANDIN_EXPORT int PQlibVersion(void) { return 150000; }
STANDIN_EXPORT int PQisthreadsafe(void) { return 1; }
STANDIN_EXPORT int PQconnectionNeedsPassword(const PGconn* conn) {
  (void)conn;
  return 0;
}
STANDIN_EXPORT int PQconnectionUsedPassword(const PGconn* conn) {
  (void)conn;
  return 0;
}
STANDIN_EXPORT int PQclientEncoding(const PGconn* conn) {
  (void)conn;
  return 6;
}
STANDIN_EXPORT int PQisnonblocking(const PGconn* conn) { return conn != NULL && conn->nonblocking; }
STANDIN_EXPORT PGpipelineStatus PQpipelineStatus(const PGconn* conn) {
  (void)conn;
  return PQ_PIPELINE_OFF;
}
STANDIN_EXPORT PQnoticeReceiver PQsetNoticeReceiver(PGconn* conn, PQnoticeReceiver receiver,
                                                    void* argument) {
  if (conn == NULL) return NULL;
  PQnoticeReceiver before = conn->notice_receiver;
  if (receiver != NULL) {
    conn->notice_receiver = receiver;
    conn->receiver_argument = argument;
  }
  return before;
}
STANDIN_EXPORT PQnoticeProcessor PQsetNoticeProcessor(PGconn* conn, PQnoticeProcessor processor,
                                                      void* argument) {
  if (conn == NULL) return NULL;
  PQnoticeProcessor before = conn->notice_processor;
  if (processor != NULL) {
    conn->notice_processor = processor;
    conn->notice_argument = argument;
  }
  return before;
}

STANDIN_EXPORT int PQregisterEventProc(PGconn* conn, PGEventProc call, const char* name,
                                       void* pass_through) {
  (void)name;
  if (conn == NULL || conn->event_proc_count == MAX_EVENT_PROCS) return 0;
  conn->event_procs[conn->event_proc_count++] = (struct EventProc){call, pass_through, NULL};
  PGEventRegister event = {conn};
  if (call(PGEVT_REGISTER, &event, pass_through)) return 1;
  --conn->event_proc_count;
  return 0;
}
STANDIN_EXPORT int PQsetInstanceData(PGconn* conn, PGEventProc call, void* data) {
  for (int i = 0; conn != NULL && i < conn->event_proc_count; ++i) {
    if (conn->event_procs[i].call != call) continue;
    conn->event_procs[i].data = data;
    return 1;
  }
  return 0;
}
STANDIN_EXPORT void* PQinstanceData(const PGconn* conn, PGEventProc call) {
  for (int i = 0; conn != NULL && i < conn->event_proc_count; ++i) {
    if (conn->event_procs[i].call == call) return conn->event_procs[i].data;
  }
  return NULL;
}

STANDIN_EXPORT PQconninfoOption* PQconninfo(PGconn* conn) {
  PQconninfoOption* options = calloc(8, sizeof(*options));
  if (options == NULL || conn == NULL) {
    free(options);
    return NULL;
  }
  const char* const names[] = {
      "host",           "port", "dbname", "user", "application_name", "fallback_application_name",
      "connect_timeout"};
  const char* const values[] = {conn->host,
                                conn->port,
                                conn->dbname,
                                conn->user,
                                conn->application_name,
                                conn->fallback_application_name,
                                conn->connect_timeout};
  for (int i = 0; i < 7; ++i) {
    options[i].keyword = (char*)names[i];
    options[i].val = strdup(values[i]);
  }
  return options;
}
STANDIN_EXPORT void PQconninfoFree(PQconninfoOption* options) {
  for (int i = 0; options != NULL && options[i].keyword != NULL; ++i) free(options[i].val);
  free(options);
}

// --- Commands ------------------------------------------------------------------------------------

static PGresult* NewResult(ExecStatusType status, const char* text) {
  PGresult* result = malloc(sizeof(*result));
  if (result == NULL) return NULL;
  result->status = status;
  result->value = status == PGRES_TUPLES_OK ? result->text : NULL;
  SetText(result->text, sizeof(result->text), text, strlen(text));
  return result;
}

static PGresult* SetTransaction(PGconn* conn, PGTransactionStatusType status) {
  conn->transaction = status;
  return &command_ok;
}

static PGresult* Answer(PGconn* conn, const char* query) {
  if (strcmp(query, "SELECT 1") == 0) return &select_one;
  if (strcmp(query, "BEGIN") == 0) return SetTransaction(conn, PQTRANS_INTRANS);
  if (strcmp(query, "COMMIT") == 0 || strcmp(query, "ROLLBACK") == 0)
    return SetTransaction(conn, PQTRANS_IDLE);
  if (strcmp(query, "SELECT 1/0") == 0) {
    if (conn->transaction == PQTRANS_INTRANS) conn->transaction = PQTRANS_INERROR;
    memcpy(conn->error, "ERROR:  division by zero\n", 26);
    return NewResult(PGRES_FATAL_ERROR, "");
  }
  if (strcmp(query, "SELECT pg_backend_pid()") == 0) {
    char text[16];
    snprintf(text, sizeof(text), "%d", conn->backend_pid);
    return NewResult(PGRES_TUPLES_OK, text);
  }
  if (strncmp(query, "SELECT pg_sleep(", 16) == 0) {
    SleepMilliseconds((int)(strtod(query + 16, NULL) * 1000));
    return NewResult(PGRES_TUPLES_OK, "");
  }
  if (strstr(query, "RAISE NOTICE") != NULL) {
    conn->notice_processor(conn->notice_argument, "NOTICE:  hello\n");
    return &command_ok;
  }
  return &select_one;
}

static int Send(PGconn* conn, const char* query) {
  if (conn == NULL || conn->status != CONNECTION_OK || conn->result_due) return 0;
  conn->result_due = 1;
  conn->result = Answer(conn, query);
  return 1;
}

// PQexecStart() throws away what is left over, PQexecFinish() collects until NULL; both call
// PQgetResult by its name.
static int ExecStart(PGconn* conn) {
  if (conn == NULL) return 0;
  PGresult* left_over;
  while ((left_over = PQgetResult(conn)) != NULL) PQclear(left_over);
  return 1;
}

static PGresult* ExecFinish(PGconn* conn) {
  PGresult* last = NULL;
  PGresult* result;
  while ((result = PQgetResult(conn)) != NULL) {
    if (last != NULL) PQclear(last);
    last = result;
  }
  return last;
}

STANDIN_EXPORT int PQsendQuery(PGconn* conn, const char* query) { return Send(conn, query); }
STANDIN_EXPORT int PQsendQueryParams(PGconn* conn, const char* command, int n, const Oid* types,
                                     const char* const* values, const int* lengths,
                                     const int* formats, int result_format) {
  (void)n, (void)types, (void)values, (void)lengths, (void)formats, (void)result_format;
  return Send(conn, command);
}
STANDIN_EXPORT int PQsendPrepare(PGconn* conn, const char* statement, const char* query, int n,
                                 const Oid* types) {
  (void)statement, (void)query, (void)n, (void)types;
  return Send(conn, "PREPARE");
}
STANDIN_EXPORT int PQsendQueryPrepared(PGconn* conn, const char* statement, int n,
                                       const char* const* values, const int* lengths,
                                       const int* formats, int result_format) {
  (void)statement, (void)n, (void)values, (void)lengths, (void)formats, (void)result_format;
  return Send(conn, "EXECUTE");
}
STANDIN_EXPORT int PQsendDescribePrepared(PGconn* conn, const char* statement) {
  return Send(conn, statement);
}
STANDIN_EXPORT int PQsendDescribePortal(PGconn* conn, const char* portal) {
  return Send(conn, portal);
}
STANDIN_EXPORT int PQsendClosePrepared(PGconn* conn, const char* statement);
STANDIN_EXPORT int PQsendClosePrepared(PGconn* conn, const char* statement) {
  return Send(conn, statement);
}
STANDIN_EXPORT int PQsendClosePortal(PGconn* conn, const char* portal);
STANDIN_EXPORT int PQsendClosePortal(PGconn* conn, const char* portal) {
  return Send(conn, portal);
}

STANDIN_EXPORT PGresult* PQexec(PGconn* conn, const char* query) {
  if (!ExecStart(conn) || !PQsendQuery(conn, query)) return NULL;
  return ExecFinish(conn);
}
STANDIN_EXPORT PGresult* PQexecParams(PGconn* conn, const char* command, int n, const Oid* types,
                                      const char* const* values, const int* lengths,
                                      const int* formats, int result_format) {
  if (!ExecStart(conn) ||
      !PQsendQueryParams(conn, command, n, types, values, lengths, formats, result_format)) {
    return NULL;
  }
  return ExecFinish(conn);
}
STANDIN_EXPORT PGresult* PQprepare(PGconn* conn, const char* statement, const char* query, int n,
                                   const Oid* types) {
  if (!ExecStart(conn) || !PQsendPrepare(conn, statement, query, n, types)) return NULL;
  return ExecFinish(conn);
}
STANDIN_EXPORT PGresult* PQexecPrepared(PGconn* conn, const char* statement, int n,
                                        const char* const* values, const int* lengths,
                                        const int* formats, int result_format) {
  if (!ExecStart(conn) ||
      !PQsendQueryPrepared(conn, statement, n, values, lengths, formats, result_format)) {
    return NULL;
  }
  return ExecFinish(conn);
}
// These four send by a static function in libpq.
static PGresult* Describe(PGconn* conn, const char* name) {
  if (!ExecStart(conn) || !Send(conn, name)) return NULL;
  return ExecFinish(conn);
}
STANDIN_EXPORT PGresult* PQdescribePrepared(PGconn* conn, const char* statement) {
  return Describe(conn, statement);
}
STANDIN_EXPORT PGresult* PQdescribePortal(PGconn* conn, const char* portal) {
  return Describe(conn, portal);
}
STANDIN_EXPORT PGresult* PQclosePrepared(PGconn* conn, const char* statement);
STANDIN_EXPORT PGresult* PQclosePrepared(PGconn* conn, const char* statement) {
  return Describe(conn, statement);
}
STANDIN_EXPORT PGresult* PQclosePortal(PGconn* conn, const char* portal);
STANDIN_EXPORT PGresult* PQclosePortal(PGconn* conn, const char* portal) {
  return Describe(conn, portal);
}
STANDIN_EXPORT PGresult* PQfn(PGconn* conn, int function, int* result, int* result_length,
                              int result_is_int, const PQArgBlock* arguments, int n) {
  (void)function, (void)result_is_int, (void)arguments, (void)n;
  if (conn == NULL || conn->status != CONNECTION_OK) return NULL;
  *result = 1;
  *result_length = 4;
  return &command_ok;
}
STANDIN_EXPORT int PQsetClientEncoding(PGconn* conn, const char* encoding) {
  if (conn == NULL || encoding == NULL) return -1;
  PGresult* result = PQexec(conn, "SET client_encoding");
  const int code = PQresultStatus(result) == PGRES_FATAL_ERROR ? -1 : 0;
  PQclear(result);
  return code;
}
STANDIN_EXPORT char* PQencryptPasswordConn(PGconn* conn, const char* password, const char* user,
                                           const char* algorithm) {
  (void)password, (void)user;
  if (conn != NULL && algorithm != NULL && strcmp(algorithm, "md5") != 0 &&
      strcmp(algorithm, "scram-sha-256") != 0) {
    snprintf(conn->error, sizeof(conn->error),
             "unrecognized password encryption algorithm \"%s\"\n", algorithm);
    return NULL;
  }
  if (conn != NULL && algorithm == NULL) PQclear(PQexec(conn, "SHOW password_encryption"));
  return strdup("encrypted");
}
STANDIN_EXPORT PGresult* PQchangePassword(PGconn* conn, const char* user, const char* password);
STANDIN_EXPORT PGresult* PQchangePassword(PGconn* conn, const char* user, const char* password) {
  (void)user, (void)password;
  return PQexec(conn, "ALTER USER");
}

STANDIN_EXPORT int PQpipelineSync(PGconn* conn) { return conn != NULL; }
STANDIN_EXPORT int PQsendPipelineSync(PGconn* conn);
STANDIN_EXPORT int PQsendPipelineSync(PGconn* conn) { return conn != NULL; }
STANDIN_EXPORT int PQsendFlushRequest(PGconn* conn) { return conn != NULL; }
STANDIN_EXPORT int PQflush(PGconn* conn) { return conn != NULL ? 0 : -1; }
STANDIN_EXPORT int PQsetnonblocking(PGconn* conn, int on) {
  if (conn == NULL) return -1;
  conn->nonblocking = on;
  return 0;
}

// --- Results -------------------------------------------------------------------------------------

STANDIN_EXPORT PGresult* PQgetResult(PGconn* conn) {
  if (conn == NULL) return NULL;
  PGresult* result = conn->result;
  if (result != NULL) {
    conn->result = NULL;
  } else {
    conn->result_due = 0;
  }
  return result;
}
STANDIN_EXPORT int PQconsumeInput(PGconn* conn) { return conn != NULL; }
STANDIN_EXPORT int PQisBusy(PGconn* conn) {
  (void)conn;
  return 0;
}
STANDIN_EXPORT PGnotify* PQnotifies(PGconn* conn) {
  (void)conn;
  return NULL;
}
STANDIN_EXPORT void PQfreemem(void* pointer) { free(pointer); }
STANDIN_EXPORT void PQclear(PGresult* result) {
  if (result != &select_one && result != &command_ok) free(result);
}
STANDIN_EXPORT ExecStatusType PQresultStatus(const PGresult* result) {
  return result != NULL ? result->status : PGRES_FATAL_ERROR;
}
STANDIN_EXPORT char* PQresultErrorMessage(const PGresult* result) {
  return (char*)(PQresultStatus(result) == PGRES_FATAL_ERROR ? "ERROR:  division by zero\n" : "");
}
STANDIN_EXPORT int PQntuples(const PGresult* result) {
  return result != NULL && result->value != NULL;
}
STANDIN_EXPORT int PQnfields(const PGresult* result) {
  return result != NULL && result->value != NULL;
}
STANDIN_EXPORT char* PQgetvalue(const PGresult* result, int row, int column) {
  return row == 0 && column == 0 && result != NULL ? result->value : NULL;
}
STANDIN_EXPORT int PQgetisnull(const PGresult* result, int row, int column) {
  return PQgetvalue(result, row, column) == NULL;
}

// --- COPY ----------------------------------------------------------------------------------------

STANDIN_EXPORT int PQputCopyData(PGconn* conn, const char* buffer, int size) {
  (void)buffer, (void)size;
  return conn != NULL ? 1 : -1;
}
STANDIN_EXPORT int PQputCopyEnd(PGconn* conn, const char* error) {
  (void)error;
  return conn != NULL ? 1 : -1;
}
STANDIN_EXPORT int PQgetCopyData(PGconn* conn, char** buffer, int async) {
  (void)conn, (void)async;
  *buffer = NULL;
  return -1;
}
STANDIN_EXPORT int PQgetlineAsync(PGconn* conn, char* buffer, int size) {
  (void)conn, (void)buffer, (void)size;
  return -1;
}
STANDIN_EXPORT int PQgetline(PGconn* conn, char* buffer, int size) {
  PQgetlineAsync(conn, buffer, size);
  if (size > 0) buffer[0] = '\0';
  return EOF;
}
STANDIN_EXPORT int PQputnbytes(PGconn* conn, const char* buffer, int size) {
  return PQputCopyData(conn, buffer, size) == 1 ? 0 : EOF;
}
STANDIN_EXPORT int PQputline(PGconn* conn, const char* line) {
  return PQputnbytes(conn, line, (int)strlen(line));
}
STANDIN_EXPORT int PQendcopy(PGconn* conn) {
  PQclear(PQgetResult(conn));
  return 0;
}

// --- Large objects -------------------------------------------------------------------------------

static int CallServer(PGconn* conn) {
  int result = -1;
  int length = 0;
  PQclear(PQfn(conn, 0, &result, &length, 1, NULL, 0));
  return result;
}
STANDIN_EXPORT int lo_open(PGconn* conn, Oid object, int mode) {
  (void)object, (void)mode;
  return CallServer(conn);
}
STANDIN_EXPORT int lo_close(PGconn* conn, int fd) {
  (void)fd;
  return CallServer(conn);
}
STANDIN_EXPORT int lo_read(PGconn* conn, int fd, char* buffer, size_t size) {
  (void)conn, (void)fd, (void)buffer, (void)size;
  return 0;
}
STANDIN_EXPORT int lo_write(PGconn* conn, int fd, const char* buffer, size_t size) {
  (void)fd, (void)buffer, (void)size;
  return CallServer(conn);
}
STANDIN_EXPORT int lo_lseek(PGconn* conn, int fd, int offset, int whence) {
  (void)fd, (void)offset, (void)whence;
  return CallServer(conn);
}
STANDIN_EXPORT pg_int64 lo_lseek64(PGconn* conn, int fd, pg_int64 offset, int whence) {
  (void)conn, (void)fd, (void)offset, (void)whence;
  return 0;
}
STANDIN_EXPORT Oid lo_creat(PGconn* conn, int mode) {
  (void)mode;
  return (Oid)CallServer(conn);
}
STANDIN_EXPORT Oid lo_create(PGconn* conn, Oid object) {
  (void)object;
  return (Oid)CallServer(conn);
}
STANDIN_EXPORT int lo_tell(PGconn* conn, int fd) {
  (void)fd;
  return CallServer(conn);
}
STANDIN_EXPORT pg_int64 lo_tell64(PGconn* conn, int fd) {
  (void)conn, (void)fd;
  return 0;
}
STANDIN_EXPORT int lo_truncate(PGconn* conn, int fd, size_t size) {
  (void)fd, (void)size;
  return CallServer(conn);
}
STANDIN_EXPORT int lo_truncate64(PGconn* conn, int fd, pg_int64 size) {
  (void)conn, (void)fd, (void)size;
  return 0;
}
STANDIN_EXPORT int lo_unlink(PGconn* conn, Oid object) {
  (void)object;
  return CallServer(conn);
}
STANDIN_EXPORT Oid lo_import(PGconn* conn, const char* filename) {
  (void)filename;
  return (Oid)CallServer(conn);
}
STANDIN_EXPORT Oid lo_import_with_oid(PGconn* conn, const char* filename, Oid object) {
  (void)filename, (void)object;
  return (Oid)CallServer(conn);
}
STANDIN_EXPORT int lo_export(PGconn* conn, Oid object, const char* filename) {
  (void)object, (void)filename;
  return CallServer(conn);
}

// --- Cancelling ----------------------------------------------------------------------------------

STANDIN_EXPORT PGcancel* PQgetCancel(PGconn* conn) {
  return conn != NULL ? calloc(1, sizeof(PGcancel)) : NULL;
}
STANDIN_EXPORT void PQfreeCancel(PGcancel* cancel) { free(cancel); }
STANDIN_EXPORT int PQcancel(PGcancel* cancel, char* buffer, int size) {
  if (size > 0) buffer[0] = '\0';
  return cancel != NULL;
}
STANDIN_EXPORT int PQrequestCancel(PGconn* conn) {
  char message[16];
  PGcancel* cancel = PQgetCancel(conn);
  const int done = PQcancel(cancel, message, sizeof(message));
  PQfreeCancel(cancel);
  return done;
}

// libpq 17: a cancel object is a PGconn that no PQconnect function returned.
STANDIN_EXPORT PGcancelConn* PQcancelCreate(PGconn* conn);
STANDIN_EXPORT PGcancelConn* PQcancelCreate(PGconn* conn) {
  if (conn == NULL) return NULL;
  PGcancelConn* cancel = malloc(sizeof(*cancel));
  if (cancel != NULL) cancel->hidden = NewConnection();
  return cancel;
}
STANDIN_EXPORT int PQcancelStart(PGcancelConn* cancel);
STANDIN_EXPORT int PQcancelStart(PGcancelConn* cancel) {
  Start(cancel->hidden);
  return 1;
}
STANDIN_EXPORT PostgresPollingStatusType PQcancelPoll(PGcancelConn* cancel);
STANDIN_EXPORT PostgresPollingStatusType PQcancelPoll(PGcancelConn* cancel) {
  return PQconnectPoll(cancel->hidden);
}
STANDIN_EXPORT int PQcancelBlocking(PGcancelConn* cancel);
STANDIN_EXPORT int PQcancelBlocking(PGcancelConn* cancel) {
  if (!PQcancelStart(cancel)) return 0;
  PostgresPollingStatusType polled;
  do {
    polled = PQcancelPoll(cancel);
  } while (polled != PGRES_POLLING_OK && polled != PGRES_POLLING_FAILED);
  return polled == PGRES_POLLING_OK;
}
STANDIN_EXPORT void PQcancelReset(PGcancelConn* cancel);
STANDIN_EXPORT void PQcancelReset(PGcancelConn* cancel) {
  cancel->hidden->status = CONNECTION_NEEDED;
}
STANDIN_EXPORT void PQcancelFinish(PGcancelConn* cancel);
STANDIN_EXPORT void PQcancelFinish(PGcancelConn* cancel) {
  PGconn* hidden = cancel->hidden;
  free(cancel);
  PQfinish(hidden);
}
