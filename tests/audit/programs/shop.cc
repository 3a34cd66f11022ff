// SPDX-License-Identifier: Apache-2.0
//
// A program that does with its connections what its words say, in their order:
//
//   leak           opens one and keeps it in a list
//   lose           the same place opens one, and nothing leads to it any more
//   leak-elsewhere the same, from another place in the same file
//   close          opens one and closes it
//   fail           connects to nothing and forgets the handle
//   begin          opens one, begins a transaction, and keeps it
//   ready          says so on stdout
//   wait           waits until its stdin ends
//   interrupted    waits for SIGINT, and ends with exit code 7
//   orphaned=PID   waits until its parent, PID, has ended
//   abort, _exit   ends so, with what it has
//   exit=N         ends with this code

#include <libpq-fe.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace shop {

std::vector<PGconn*> kept;

void MustBeOpen(PGconn* conn) {
  if (PQstatus(conn) == CONNECTION_OK) return;
  fputs(PQerrorMessage(conn), stderr);
  exit(1);
}

// One call in the code, one call site, whatever becomes of the connection.
[[gnu::noinline]] void OpenAuditLog(bool keep) {
  PGconn* conn = PQconnectdb("application_name=shop");
  MustBeOpen(conn);
  if (keep) kept.push_back(conn);
}

[[gnu::noinline]] void OpenPriceList() {
  kept.push_back(PQconnectdb("application_name=shop"));
  MustBeOpen(kept.back());
}

// Writes over what earlier calls have left in registers and on the stack.
[[gnu::noinline]] void Forget() {
  volatile char dead[64 * 1024];
  for (volatile char& byte : dead) byte = 0;
  asm volatile("" ::: "rbx", "r12", "r13", "r14", "r15", "memory");
}

[[gnu::noinline]] void ReadPrice() {
  PGconn* conn = PQconnectdb("application_name=shop");
  MustBeOpen(conn);
  PQfinish(conn);
}

[[gnu::noinline]] void ConnectToNothing() { PQconnectdb("dbname=no_such_database"); }

[[gnu::noinline]] void ReserveStock() {
  kept.push_back(PQconnectdb("application_name=shop"));
  MustBeOpen(kept.back());
  PQclear(PQexec(kept.back(), "BEGIN"));
}

void WaitForInputsEnd() {
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

void WaitForInterrupt() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  puts("ready");
  fflush(stdout);
  int signal = 0;
  sigwait(&set, &signal);
  exit(7);
}

void WaitUntilOrphaned(pid_t parent) {
  constexpr useconds_t kPause = 5'000;
  while (getppid() == parent) usleep(kPause);
}

void Do(std::string_view word) {
  if (word == "leak" || word == "lose") OpenAuditLog(word == "leak");
  if (word == "leak-elsewhere") OpenPriceList();
  if (word == "close") ReadPrice();
  if (word == "fail") ConnectToNothing();
  if (word == "begin") ReserveStock();
  if (word == "wait") WaitForInputsEnd();
  if (word == "interrupted") WaitForInterrupt();
  if (word.starts_with("orphaned="))
    WaitUntilOrphaned(atoi(word.data() + 9));  // NOLINT(cert-err34-c)
  if (word == "abort") abort();
  if (word == "_exit") _exit(0);
  if (word.starts_with("exit=")) exit(atoi(word.data() + 5));  // NOLINT(cert-err34-c)
  if (word != "ready") return;
  puts("ready");
  fflush(stdout);
}

}  // namespace shop

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    shop::Do(argv[i]);
    shop::Forget();
  }
}
