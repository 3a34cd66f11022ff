// SPDX-License-Identifier: Apache-2.0
//
// What a process has once, and a library that shares it could change: locale, streams, the
// processor's modes, hidden state of libc.

#include <fcntl.h>
#include <immintrin.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include <cfenv>
#include <clocale>
#include <csignal>
#include <ctime>
#include <cwchar>

#include "tests/preload/hosts/host.h"

using namespace program;

extern char** environ;

namespace {

int Locale() {
  setlocale(LC_ALL, "C.UTF-8");
  Work();
  Say("%s, %s", setlocale(LC_ALL, nullptr), localeconv()->decimal_point);
  return 0;
}

int LocaleOfThread() {
  const locale_t own = newlocale(LC_ALL_MASK, "C.UTF-8", nullptr);
  uselocale(own);
  Work();
  Say("kept: %d", uselocale(nullptr) == own);
  return 0;
}

int Rounding() {
  fesetround(FE_UPWARD);
  feclearexcept(FE_ALL_EXCEPT);
  Work();
  Say("round %d, raised %d", fegetround() == FE_UPWARD, fetestexcept(FE_ALL_EXCEPT));
  return 0;
}

// A host that traps on every floating-point exception.
int FloatingTraps() {
  feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
  _mm_setcsr(_mm_getcsr() | 0x8040);  // flush to zero, denormals are zero
  const unsigned before = _mm_getcsr();
  Work();
  Say("kept: %d", before == _mm_getcsr());
  return 0;
}

int RandomSequence() {
  srand(7);
  srandom(7);
  const int first = rand();
  Work();
  const int second = rand();
  Say("%d %d %ld", first, second, random());
  return 0;
}

int HiddenStateOfLibc() {
  char words[] = "a b c";
  strtok(words, " ");
  const time_t day = 86'400;
  const tm* broken = gmtime(&day);
  Work();
  Say("%s, day %d", strtok(nullptr, " "), broken->tm_mday);
  return 0;
}

int TimeZone() {
  setenv("TZ", "Asia/Tokyo", 1);
  tzset();
  Work();
  const time_t zero = 0;
  Say("%s, hour %d", tzname[0], localtime(&zero)->tm_hour);
  return 0;
}

int TimeZoneNotYetRead() {
  Connect();
  setenv("TZ", "PST8PDT", 1);
  const time_t zero = 0;
  Say("hour %d", localtime(&zero)->tm_hour);
  return 0;
}

int Unbuffered() {
  setvbuf(stdout, nullptr, _IONBF, 0);
  printf("one ");
  Work();
  printf("two\n");
  return 0;
}

int WideOutput() {
  fwide(stdout, 1);
  fwide(stderr, 1);
  Work();
  wprintf(L"wide %d %d\n", fwide(stdout, 0) > 0, fwide(stderr, 0) > 0);
  return 0;
}

int StreamLocked() {
  flockfile(stdout);
  flockfile(stderr);
  Work();
  funlockfile(stderr);
  funlockfile(stdout);
  Say("over");
  return 0;
}

int Environment() {
  char** before = environ;
  int count = 0;
  while (environ[count] != nullptr) ++count;
  Work();
  int after = 0;
  while (environ[after] != nullptr) ++after;
  Say("same: %d %d", before == environ, count == after);
  return 0;
}

int EnvironmentNull() {
  environ = nullptr;
  Work();
  Say("still: %d", environ == nullptr);
  return 0;
}

// Servers that write their title over argv and environ.
int TitleOverEnvironment() {
  size_t size = 0;
  for (char** entry = environ; *entry != nullptr; ++entry) size += strlen(*entry) + 1;
  const bool on_standin = OnStandin();
  char* first = environ[0];
  if (first == nullptr) return 1;
  static char* copy[2] = {nullptr, nullptr};
  static char mark[] = "PQLEASH_TEST_STANDIN=1";
  if (on_standin) copy[0] = mark;
  environ = copy;
  memset(first, 'x', size);
  Work();
  Work();
  return 0;
}

int EnvironmentGrows() {
  for (int i = 0; i < 300; ++i) {
    char name[32];
    snprintf(name, sizeof(name), "GROWN_%d", i);
    setenv(name, "value", 1);
    if (i % 100 == 0) Work();
    if (i % 3 == 0) unsetenv(name);
  }
  Say("last: %s", getenv("GROWN_299") == nullptr ? "none" : getenv("GROWN_299"));
  return 0;
}

int Timers() {
  const itimerval hour = {{0, 0}, {3600, 0}};
  setitimer(ITIMER_REAL, &hour, nullptr);
  setitimer(ITIMER_VIRTUAL, &hour, nullptr);
  Work();
  itimerval left;
  getitimer(ITIMER_REAL, &left);
  Say("real: %d", left.it_value.tv_sec > 3000);
  getitimer(ITIMER_VIRTUAL, &left);
  Say("virtual: %d", left.it_value.tv_sec > 3000);
  Say("alarm: %d", alarm(0) > 3000);
  return 0;
}

int TimerThread() {
  timer_t timer;
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = [](sigval) {
    PQfinish(PQconnectdb(""));
    Say("from a timer");
    _exit(5);
  };
  Say("made: %d", timer_create(CLOCK_MONOTONIC, &event, &timer));
  const itimerspec soon = {{0, 0}, {0, 1'000'000}};
  timer_settime(timer, 0, &soon, nullptr);
  for (;;) pause();
}

int Interrupted() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, nullptr);
  const itimerval once = {{0, 0}, {0, 10'000}};
  setitimer(ITIMER_REAL, &once, nullptr);
  PGconn* conn = PQconnectdb("standin_hang_ms=30");
  Say("status: %d", static_cast<int>(PQstatus(conn)));
  PQfinish(conn);
  return 0;
}

int ProcessName() {
  prctl(PR_SET_NAME, "renamed", 0, 0, 0);
  Work();
  char name[16];
  prctl(PR_GET_NAME, name, 0, 0, 0);
  Say("%s, %s", name, program_invocation_short_name);
  return 0;
}

int Priorities() {
  setpriority(PRIO_PROCESS, 0, 7);
  prctl(PR_SET_TIMERSLACK, 123, 0, 0, 0);
  Work();
  Say("nice %d, slack %d", getpriority(PRIO_PROCESS, 0), prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
  return 0;
}

int DeathSignal() {
  prctl(PR_SET_PDEATHSIG, SIGUSR2, 0, 0, 0);
  Work();
  int number = 0;
  prctl(PR_GET_PDEATHSIG, &number, 0, 0, 0);
  Say("signal %d, dumpable %d", number, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  return 0;
}

constexpr HostMode kModes[] = {
    {"locale", Locale},
    {"locale_of_thread", LocaleOfThread},
    {"rounding", Rounding},
    {"floating_traps", FloatingTraps},
    {"random_sequence", RandomSequence},
    {"hidden_state_of_libc", HiddenStateOfLibc},
    {"time_zone", TimeZone},
    {"time_zone_not_yet_read", TimeZoneNotYetRead},
    {"unbuffered", Unbuffered},
    {"wide_output", WideOutput},
    {"stream_locked", StreamLocked},
    {"environment", Environment},
    {"environment_null", EnvironmentNull},
    {"title_over_environment", TitleOverEnvironment},
    {"environment_grows", EnvironmentGrows},
    {"timers", Timers},
    {"timer_thread", TimerThread},
    {"interrupted", Interrupted},
    {"process_name", ProcessName},
    {"priorities", Priorities},
    {"death_signal", DeathSignal},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
