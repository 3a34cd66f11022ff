// SPDX-License-Identifier: Apache-2.0

#include "tests/caps/capped.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <utility>

#include "tests/support/wait_until.h"

namespace pqleash::testing {

std::ostream& operator<<(std::ostream& stream, const Connected& connected) {
  return stream << (connected.ok ? "connected" : "not connected") << " after " << connected.seconds
                << " s " << connected.text;
}

bool SaysThatItWaited(const std::string& text, double from, double to) {
  std::smatch match;
  if (!std::regex_search(text, match, std::regex("it waited ([0-9]+\\.[0-9]) s"))) return false;
  const double waited = std::stod(match[1]);
  constexpr double kRounding = 0.051;
  return waited >= from - kRounding && waited <= to + kRounding;
}

// -------------------------------------------------------------------------------------------------

Capped::Capped(const Command& command, std::string directory)
    : shared_(new Shared{.process = Subprocess(command), .directory = std::move(directory)}),
      pid_(shared_->process.pid()) {}

int Capped::Send(const std::string& words) {
  const int number = ++shared_->commands;
  EXPECT_TRUE(shared_->process.Write(prefix_ + std::to_string(number) + " " + words + "\n"))
      << words;
  return number;
}

namespace {

// Where a line that begins with `begin` begins; npos: there is none, or it is not whole yet.
size_t FindLine(const std::string& text, const std::string& begin) {
  for (size_t at = 0; (at = text.find(begin, at)) != std::string::npos; ++at) {
    if (at != 0 && text[at - 1] != '\n') continue;
    return text.find('\n', at) == std::string::npos ? std::string::npos : at;
  }
  return std::string::npos;
}

}  // namespace

std::string Capped::Line(int command, const std::string& word) {
  const std::string begin = std::to_string(command) + " " + word;
  const std::string& output = shared_->process.output();
  size_t at = FindLine(output, begin);
  while (at == std::string::npos) {
    if (!shared_->process.ReadMore()) break;
    at = FindLine(output, begin);
  }
  if (at == std::string::npos) {
    ADD_FAILURE() << "no answer '" << begin << "' in\n" << output;
    return "";
  }
  const size_t from = at + begin.size();
  return output.substr(from, output.find('\n', from) - from);
}

std::string Capped::Ask(const std::string& words) {
  const std::string line = Line(Send(words), "value");
  return line.empty() ? line : line.substr(1);
}

void Capped::Tell(const std::string& words) { Line(Send(words), "done"); }

int Capped::Begin(const std::string& verb, const std::string& name, const std::string& conninfo) {
  return Send(verb + " " + name + " " + conninfo);
}

bool Capped::HasAnswered(int command) {
  shared_->process.ReadMore();
  const std::string& output = shared_->process.output();
  const std::string number = std::to_string(command);
  return FindLine(output, number + " ok") != std::string::npos ||
         FindLine(output, number + " bad") != std::string::npos;
}

Connected Capped::ResultOf(int command) {
  Connected connected;
  bool answered = false;
  while (!(answered = HasAnswered(command)) && shared_->process.ReadMore()) {
  }
  if (!answered) {
    ADD_FAILURE() << "no answer to " << command << " in\n" << shared_->process.output();
    return connected;
  }
  connected.ok =
      FindLine(shared_->process.output(), std::to_string(command) + " ok") != std::string::npos;
  std::istringstream words(Line(command, connected.ok ? "ok" : "bad"));
  words >> connected.seconds;
  if (connected.ok) {
    words >> connected.backend;
  } else {
    std::getline(words >> std::ws, connected.text);
  }
  return connected;
}

double Capped::StartedAfter(int command) {
  double seconds = -1;
  std::istringstream(Line(command, "started")) >> seconds;
  return seconds;
}

bool Capped::Says(const std::string& text) { return shared_->process.WaitForOutput(text); }

Connected Capped::Open(const std::string& name, const std::string& conninfo) {
  return ResultOf(Begin("open", name, conninfo));
}
Connected Capped::Start(const std::string& name, const std::string& conninfo) {
  return ResultOf(Begin("start", name, conninfo));
}
Connected Capped::Reset(const std::string& name) { return ResultOf(Begin("reset", name)); }
Connected Capped::ResetStart(const std::string& name) {
  return ResultOf(Begin("resetstart", name));
}
void Capped::Close(const std::string& name) { Tell("close " + name); }
std::string Capped::Query(const std::string& name, const std::string& sql) {
  return Ask("query " + name + " " + sql);
}
std::string Capped::Status(const std::string& name) { return Ask("status " + name); }
std::string Capped::Ping(const std::string& conninfo) { return Ask("ping " + conninfo); }
std::string Capped::Cancel(const std::string& name) { return Ask("cancel " + name); }
void Capped::Abandon(const std::string& name) { Tell("abandon " + name); }
void Capped::Interrupt(const std::string& name) { Tell("interrupt " + name); }
void Capped::Meet() { Tell("meet"); }
void Capped::Exec() { Tell("exec"); }

Capped Capped::Fork() {
  const int number = Send("fork");
  double ignored = 0;
  pid_t pid = -1;
  std::istringstream(Line(number, "ok")) >> ignored >> pid;
  return Capped(shared_, prefix_ + "@" + std::to_string(number) + " ", pid);
}

// A child is collected by its parent at once: SIGCHLD is ignored there.
void Capped::WaitForEnd() const {
  if (prefix_.empty()) {
    shared_->process.Wait();
    return;
  }
  EXPECT_TRUE(WaitUntil([this] { return kill(pid_, 0) != 0; }));
}

void Capped::Finish(const std::string& verb) {
  Send(verb);
  WaitForEnd();
}
void Capped::Exit() { Finish("exit"); }
void Capped::Leave() { Finish("leave"); }

void Capped::Kill() {
  kill(pid_, SIGKILL);
  WaitForEnd();
}

// -------------------------------------------------------------------------------------------------

Caps::Caps()
    : environment_({{"LD_PRELOAD", PQLEASH_TEST_LIBRARY},
                    {"PQLEASH_DIR", ledgers()},
                    {"PQLEASH_LOG", file("log")},
                    {"PQLEASH_CONFIG", std::nullopt}}) {}

void Caps::Configure(const std::string& toml) {
  const std::string path = file("pqleash.toml");
  {
    std::ofstream stream(path + ".new");
    stream << toml;
  }
  std::filesystem::rename(path + ".new", path);
  environment_["PQLEASH_CONFIG"] = path;
}

void Caps::Set(const std::string& variable, const std::string& value) {
  environment_[variable] = value;
}

Command Caps::Preloaded(std::vector<std::string> words) const {
  return {.arguments = std::move(words), .environment = environment_};
}

Capped Caps::Run(const std::string& service) const {
  Command command = Preloaded({PQLEASH_TEST_CAPPED});
  command.environment["PQLEASH_SERVICE"] = service;
  command.hold_input = true;
  return {command, ledgers()};
}

Outcome Caps::Tool(std::vector<std::string> words) const {
  words.insert(words.begin(), PQLEASH_TEST_TOOL);
  Command command = Preloaded(std::move(words));
  command.environment["LD_PRELOAD"] = std::nullopt;
  return RunToEnd(command);
}

bool Caps::Reaches(const std::string& policy, uint32_t use, uint32_t waiting) const {
  const bool reached = WaitUntil([&] {
    const PolicyState state = State(policy);
    return state.use == use && state.waiting == waiting;
  });
  const PolicyState state = State(policy);
  EXPECT_TRUE(reached) << policy << ": use " << state.use << ", waiting " << state.waiting
                       << "; expected " << use << ", " << waiting << '\n'
                       << Log();
  return reached;
}

std::string Caps::Log() const {
  std::ostringstream text;
  text << std::ifstream(file("log")).rdbuf();
  return text.str();
}

int Caps::Logged(const std::string& text) const {
  std::istringstream lines(Log());
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(text) != std::string::npos) ++count;
  }
  return count;
}

bool Caps::WillLog(const std::string& text, int times) const {
  const bool logged = WaitUntil([&] { return Logged(text) >= times; });
  EXPECT_TRUE(logged) << "'" << text << "' is not in the log:\n" << Log();
  return logged;
}

std::string Cap(const std::string& scope, int limit, const std::string& on_limit,
                const std::string& more) {
  return "[[cap]]\nname = \"db\"\nscope = \"" + scope + "\"\nlimit = " + std::to_string(limit) +
         "\non_limit = \"" + on_limit + "\"\n" + more + "\n";
}

}  // namespace pqleash::testing
