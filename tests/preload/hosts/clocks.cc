// SPDX-License-Identifier: Apache-2.0
//
// Hosts that measure time, and hosts whose time is not the kernel's.

#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <time.h>

#include <csignal>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

int Year() {
  Work();
  const time_t now = time(nullptr);
  Say("year: %d", gmtime(&now)->tm_year + 1900 < 2010);
  return 0;
}

int TimerDescriptor() {
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const itimerspec once = {{0, 0}, {0, 1'000'000}};
  timerfd_settime(fd, 0, &once, nullptr);
  Work();
  unsigned long long count = 0;
  Say("read: %d", static_cast<int>(read(fd, &count, sizeof(count))));
  Say("expired: %llu", count);
  return 0;
}

int Resolution() {
  timespec resolution = {};
  clock_getres(CLOCK_MONOTONIC, &resolution);
  Work();
  Say("%ld", resolution.tv_nsec);
  timespec first = {}, second = {};
  clock_gettime(CLOCK_MONOTONIC, &first);
  Work();
  clock_gettime(CLOCK_MONOTONIC, &second);
  Say("forwards: %d", second.tv_sec > first.tv_sec ||
                          (second.tv_sec == first.tv_sec && second.tv_nsec >= first.tv_nsec));
  return 0;
}

int AlarmDuringConnect() {
  struct sigaction action = {};
  action.sa_handler = [](int) { Say("alarm"); };
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  const itimerval once = {{0, 0}, {0, 5'000}};
  setitimer(ITIMER_REAL, &once, nullptr);
  PGconn* conn = PQconnectdb("standin_hang_ms=30");
  Say("status: %d", static_cast<int>(PQstatus(conn)));
  PQfinish(conn);
  return 0;
}

int ProcessTimer() {
  timer_t timer;
  sigevent event = {};
  event.sigev_notify = SIGEV_NONE;
  Say("made: %d", timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer));
  Work();
  Say("number: %d", timer == nullptr);
  return timer_delete(timer);
}

constexpr HostMode kModes[] = {
    {"year", Year},
    {"timer_descriptor", TimerDescriptor},
    {"resolution", Resolution},
    {"alarm_during_connect", AlarmDuringConnect},
    {"process_timer", ProcessTimer},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
