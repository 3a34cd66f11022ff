// SPDX-License-Identifier: Apache-2.0
//
// A host that sanitizers_test compiles with each sanitizer: connects in two threads and in a child,
// and may leave something for a leak checker.
//
// Usage: host [leak|lose]     leak: a block of its own; lose: a connection
#include <dlfcn.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void* Work(void* argument) {
  PGconn* conn = PQconnectdb("");
  PGresult* result = PQexec(conn, "SELECT 1");
  printf("connected %d, result %d\n", PQstatus(conn) == CONNECTION_OK,
         PQresultStatus(result) == PGRES_TUPLES_OK);
  PQclear(result);
  PQfinish(conn);
  return argument;
}

__attribute__((noinline)) static void Leak(void) {
  volatile char* block = malloc(77);
  block[0] = 1;
}

__attribute__((noinline)) static void Lose(void) {
  PGconn* conn = PQconnectdb("");
  printf("lost %d\n", PQstatus(conn) == CONNECTION_OK);
}

// The stack and the registers hold nothing of what was lost.
__attribute__((noinline)) static void Wipe(void) {
  volatile char stack[8192];
  for (size_t i = 0; i < sizeof(stack); ++i) stack[i] = 0;
}

int main(int argc, char** argv) {
  pthread_t thread;
  if (dlsym(RTLD_NEXT, "malloc") == NULL || pthread_create(&thread, NULL, Work, NULL) != 0)
    return 3;
  pthread_join(thread, NULL);
  Work(NULL);
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    Work(NULL);
    fflush(stdout);
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  printf("child %d\n", status);
  if (argc > 1 && strcmp(argv[1], "leak") == 0) Leak();
  if (argc > 1 && strcmp(argv[1], "lose") == 0) Lose();
  Wipe();
  puts("end");
  fflush(stdout);
  return 0;
}
