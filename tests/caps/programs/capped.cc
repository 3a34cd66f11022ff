// SPDX-License-Identifier: Apache-2.0
//
// A program that does with libpq what it is told, a line of stdin at a time. A line begins with a
// number; every answer to it begins with the same number:
//
//   N open NAME CONNINFO     PQconnectdb in a thread of its own: 'N ok SECONDS BACKEND', or
//                            'N bad SECONDS TEXT' with libpq's error message
//   N start NAME CONNINFO    the same with PQconnectStart, poll and PQconnectPoll; before it 'N
//                            started SECONDS' when PQconnectStart has returned
//   N together NAME CONNINFO as start, but the thread waits for 'meet'
//   N meet                   all those begin at once
//   N reset NAME             PQreset; answers as open does
//   N resetstart NAME        PQresetStart, poll and PQresetPoll; answers as open does
//   N close NAME             PQfinish: 'N done'
//   N query NAME SQL         'N value TEXT'
//   N status NAME            'N value STATUS SOCKET BACKEND DBNAME'
//   N ping CONNINFO          'N value' and what PQping says
//   N cancel NAME            PQcancel: 'N value' and what it says
//   N interrupt NAME         a signal to the thread that connects; its handler prints 'handled'
//   N abandon NAME           pthread_cancel of the thread that connects: 'N done' when it has ended
//   N fork                   a child that has the same connections and reads the lines that begin
//                            with '@N '; 'N ok 0 PID'
//   N exec                   a new image of this program: 'N done' from it
//   N exit                   exit(0)
//   N leave                  _exit(0)
//
// `shop::Order` and `shop::Audit` (CONNINFO with application_name=audit) are two call sites.

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

namespace shop {

[[gnu::noinline]] PGconn* Order(const char* conninfo) {
  PGconn* conn = PQconnectdb(conninfo);
  asm volatile("" ::: "memory");  // no tail call: the frame is what is looked for
  return conn;
}

[[gnu::noinline]] PGconn* Audit(const char* conninfo) {
  PGconn* conn = PQconnectdb(conninfo);
  asm volatile("" ::: "memory");
  return conn;
}

[[gnu::noinline]] PGconn* StartOrder(const char* conninfo) {
  PGconn* conn = PQconnectStart(conninfo);
  asm volatile("" ::: "memory");
  return conn;
}

}  // namespace shop

namespace {

// One write: lines of several threads and processes stay whole.
void Say(const std::string& number, const std::string& text) {
  const std::string line = number + " " + text + "\n";
  [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, line.data(), line.size());
}

class Stopwatch {
 public:
  std::string Seconds() const {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin_;
    char text[32];
    snprintf(text, sizeof(text), "%.4f", passed.count());
    return text;
  }

 private:
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

std::string OneLine(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) {
    if (c == '\n') c = '|';
  }
  return text;
}

struct Work {
  std::string number;
  std::string verb;
  std::string conninfo;
  PGconn* conn = nullptr;
  pthread_t thread = {};
  bool running = false;
};

// As the documentation of libpq tells it.
bool Poll(PGconn* conn, PostgresPollingStatusType (*next)(PGconn*)) {
  PostgresPollingStatusType polled = PGRES_POLLING_WRITING;
  while (polled != PGRES_POLLING_OK && polled != PGRES_POLLING_FAILED) {
    pollfd descriptor = {PQsocket(conn), POLLIN, 0};
    if (polled == PGRES_POLLING_WRITING) descriptor.events = POLLOUT;
    poll(&descriptor, 1, -1);
    polled = next(conn);
  }
  return polled == PGRES_POLLING_OK;
}

void Answer(const Work& work, const Stopwatch& watch) {
  if (work.conn != nullptr && PQstatus(work.conn) == CONNECTION_OK) {
    Say(work.number, "ok " + watch.Seconds() + " " + std::to_string(PQbackendPID(work.conn)));
  } else {
    Say(work.number, "bad " + watch.Seconds() + " " + OneLine(PQerrorMessage(work.conn)));
  }
}

std::atomic<bool> meet = false;

void* Run(void* argument) {
  Work& work = *static_cast<Work*>(argument);
  const Stopwatch watch;
  if (work.verb == "open") {
    work.conn = work.conninfo.find("application_name=audit") != std::string::npos
                    ? shop::Audit(work.conninfo.c_str())
                    : shop::Order(work.conninfo.c_str());
  } else if (work.verb == "start" || work.verb == "together") {
    while (work.verb == "together" && !meet.load()) {
    }
    work.conn = shop::StartOrder(work.conninfo.c_str());
    Say(work.number, "started " + watch.Seconds());
    if (PQstatus(work.conn) != CONNECTION_BAD) Poll(work.conn, PQconnectPoll);
  } else if (work.verb == "reset") {
    PQreset(work.conn);
  } else if (work.verb == "resetstart") {
    if (PQresetStart(work.conn) == 1) Poll(work.conn, PQresetPoll);
  }
  Answer(work, watch);
  return nullptr;
}

void OnSignal(int) {
  const int saved = errno;
  [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, "handled\n", 8);
  errno = saved;
}

class Program {
 public:
  // Until stdin ends.
  void Obey() {
    for (std::string line; ReadLine(&line);) {
      if (line[0] == '@') {
        Forward(line);
      } else {
        Do(line);
      }
    }
  }

 private:
  // Byte by byte: what is not read yet is for the next image.
  bool ReadLine(std::string* line) const {
    line->clear();
    char c = 0;
    for (;;) {
      const ssize_t size = read(in_, &c, 1);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return false;
      if (c == '\n') return true;
      *line += c;
    }
  }

  // '@7 12 open a' is '12 open a' for the child that command 7 made.
  void Forward(const std::string& line) const {
    const size_t space = line.find(' ');
    const auto child = children_.find(line.substr(1, space - 1));
    if (child == children_.end()) return;
    const std::string rest = line.substr(space + 1) + "\n";
    [[maybe_unused]] const ssize_t written = write(child->second, rest.data(), rest.size());
  }

  void Do(const std::string& line) {
    std::istringstream words(line);
    std::string number, verb, name, rest;
    words >> number >> verb;
    if (verb != "ping") words >> name;
    std::getline(words >> std::ws, rest);
    if (verb == "fork") return Fork(number);
    if (verb == "exec") return Exec(number);
    if (verb == "meet") {
      meet = true;
      return Say(number, "done");
    }
    if (verb == "exit") exit(0);
    if (verb == "leave") _exit(0);
    if (verb == "ping") return Say(number, "value " + std::to_string(PQping(rest.c_str())));
    Work& work = works_[name];
    if (verb == "open" || verb == "start" || verb == "together" || verb == "reset" ||
        verb == "resetstart") {
      Join(work);
      work.number = number;
      work.verb = verb;
      work.conninfo = rest;
      work.running = pthread_create(&work.thread, nullptr, Run, &work) == 0;
      return;
    }
    if (verb == "interrupt") {
      pthread_kill(work.thread, SIGUSR1);
      return Say(number, "done");
    }
    if (verb == "abandon") {
      pthread_cancel(work.thread);
      Join(work);
      works_.erase(name);
      return Say(number, "done");
    }
    Join(work);
    if (verb == "close") {
      PQfinish(work.conn);
      works_.erase(name);
      Say(number, "done");
    } else if (verb == "query") {
      PGresult* result = PQexec(work.conn, rest.c_str());
      Say(number, PQntuples(result) > 0 ? "value " + std::string(PQgetvalue(result, 0, 0))
                                        : "value " + OneLine(PQresultErrorMessage(result)));
      PQclear(result);
    } else if (verb == "status") {
      const char* dbname = PQdb(work.conn);
      Say(number, "value " + std::to_string(PQstatus(work.conn)) + " " +
                      std::to_string(PQsocket(work.conn)) + " " +
                      std::to_string(PQbackendPID(work.conn)) + " " +
                      (dbname != nullptr ? dbname : "-"));
    } else if (verb == "cancel") {
      char message[256] = "";
      PGcancel* cancel = PQgetCancel(work.conn);
      const int sent = PQcancel(cancel, message, sizeof(message));
      PQfreeCancel(cancel);
      Say(number, "value " + std::to_string(sent));
    }
  }

  static void Join(Work& work) {
    if (work.running) pthread_join(work.thread, nullptr);
    work.running = false;
  }

  void Fork(const std::string& number) {
    int ends[2];
    if (pipe(ends) != 0) return;
    const pid_t pid = fork();
    if (pid == 0) {
      close(ends[1]);
      for (const auto& [child, fd] : children_) close(fd);
      children_.clear();
      // Its threads did not come along.
      for (auto& [name, work] : works_) work.running = false;
      in_ = ends[0];
      return;
    }
    close(ends[0]);
    children_[number] = ends[1];
    Say(number, "ok 0 " + std::to_string(pid));
  }

  void Exec(const std::string& number) const {
    execl("/proc/self/exe", "capped", "--again", number.c_str(), nullptr);
  }

  int in_ = STDIN_FILENO;
  std::map<std::string, Work> works_;
  std::map<std::string, int> children_;
};

}  // namespace

int main(int count, char** words) {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGUSR1, &action, nullptr);
  signal(SIGCHLD, SIG_IGN);
  if (count == 3 && strcmp(words[1], "--again") == 0) Say(words[2], "done");
  Program program;
  program.Obey();
  return 0;
}
