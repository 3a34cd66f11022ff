// SPDX-License-Identifier: Apache-2.0
//
// PQcancel from another thread and from a signal handler, of a query, a COPY and nothing at all.

#include <errno.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static PGconn* conn;
static PGcancel* cancel;

static void print_result(const char* what, PGresult* result) {
  printf("%s: %s %s", what, PQresStatus(PQresultStatus(result)), PQresultErrorMessage(result));
  puts("");
  PQclear(result);
}

// Until the server says that the session works on something.
static void wait_until_active(void) {
  PGconn* observer = PQconnectdb("application_name=observer");
  char text[200];
  snprintf(text, sizeof(text),
           "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND state = 'active' AND query "
           "LIKE '%%pg_sleep%%'",
           PQbackendPID(conn));
  for (int turn = 0; turn < 1000; ++turn) {
    PGresult* result = PQexec(observer, text);
    const int active = strcmp(PQgetvalue(result, 0, 0), "1") == 0;
    PQclear(result);
    if (active) break;
    usleep(5000);
  }
  PQfinish(observer);
}

static void* from_another_thread(void* argument) {
  (void)argument;
  char error[256] = "";
  wait_until_active();
  const int sent = PQcancel(cancel, error, sizeof(error));
  printf("PQcancel %d %s\n", sent, error);
  return NULL;
}

static void by_thread(const char* text) {
  pthread_t thread;
  pthread_create(&thread, NULL, from_another_thread, NULL);
  PGresult* result = PQexec(conn, text);
  pthread_join(thread, NULL);
  print_result(text, result);
}

static volatile sig_atomic_t handled;
static void handler(int number) {
  char error[256];
  const int saved = errno;
  if (!handled && PQcancel(cancel, error, sizeof(error))) handled = number;
  errno = saved;
}

static void* send_signal(void* main_thread) {
  wait_until_active();
  pthread_kill(*(pthread_t*)main_thread, SIGUSR1);
  return NULL;
}

static void by_signal(void) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  pthread_t thread, self = pthread_self();
  pthread_create(&thread, NULL, send_signal, &self);
  PGresult* result = PQexec(conn, "SELECT pg_sleep(60)");
  pthread_join(thread, NULL);
  printf("handled %d\n", handled == SIGUSR1);
  print_result("by signal", result);
}

int main(void) {
  conn = PQconnectdb("");
  cancel = PQgetCancel(conn);
  by_thread("SELECT pg_sleep(60)");
  print_result("goes on", PQexec(conn, "SELECT 1"));
  PQclear(PQexec(conn, "BEGIN"));
  by_thread("SELECT pg_sleep(60)");
  printf("transaction %d\n", PQtransactionStatus(conn));
  PQclear(PQexec(conn, "ROLLBACK"));
  by_thread("COPY (SELECT pg_sleep(0.01) FROM generate_series(1, 100000)) TO STDOUT");
  PGresult* result;
  char* line;
  while (PQgetCopyData(conn, &line, 0) > 0) PQfreemem(line);
  while ((result = PQgetResult(conn)) != NULL) print_result("after COPY", result);
  by_signal();
  // Of one that has gone.
  PQreset(conn);
  print_result("reset", PQexec(conn, "SELECT 1"));
  char error[256] = "";
  printf("stale PQcancel %d %s\n", PQcancel(cancel, error, sizeof(error)), error);
  PQfreeCancel(cancel);
  cancel = PQgetCancel(conn);
  printf("idle PQcancel %d %s\n", PQcancel(cancel, error, sizeof(error)), error);
  PQfreeCancel(cancel);
  PQfinish(conn);
  printf("of none %d\n", PQcancel(NULL, error, sizeof(error)));
  return 0;
}
