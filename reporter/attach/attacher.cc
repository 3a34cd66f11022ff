// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/attacher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <set>

#include "reporter/attach/libc_places.h"
#include "reporter/attach/open_connections.h"
#include "reporter/attach/redirection.h"
#include "reporter/attach/remote_memory.h"
#include "reporter/attach/remote_stack.h"
#include "reporter/attach/session.h"
#include "reporter/attach/target.h"
#include "reporter/reachability/registers.h"
#include "reporter/reachability/threads.h"
#include "shim/attach/order.h"

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;
// How often words are redirected anew: the process may load objects meanwhile, and its linker may
// fill in a word at the same time.
constexpr int kMaxRounds = 5;
constexpr auto kStopPatience = std::chrono::seconds(5);  // for all threads to stand where they may
constexpr useconds_t kBetween = 2'000;
// How long connects that were under way are waited for. They are few, and most take milliseconds.
constexpr auto kConnectPatience = std::chrono::seconds(2);
constexpr useconds_t kBetweenLooks = 20'000;
constexpr const char* kFdPath = "/proc/self/fd/{}";

uint64_t MicrosecondsSince(Clock::time_point since) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - since).count());
}

// Whether the process sees the very file that this tool sees under that path.
bool SeesFile(int32_t pid, const std::string& path) {
  struct stat ours;
  struct stat its;
  return stat(path.c_str(), &ours) == 0 &&
         stat(fmt::format("/proc/{}/root{}", pid, path).c_str(), &its) == 0 &&
         ours.st_dev == its.st_dev && ours.st_ino == its.st_ino;
}

bool CopyFile(const std::string& from, const std::string& to) {
  const int source = open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int target = source >= 0 ? open(to.c_str(), O_WRONLY | O_CLOEXEC) : -1;
  bool copied = target >= 0;
  char bytes[64 * 1024];
  ssize_t got = 0;
  while (copied && (got = read(source, bytes, sizeof bytes)) > 0)
    copied = write(target, bytes, static_cast<size_t>(got)) == got;
  if (source >= 0) close(source);
  if (target >= 0) close(target);
  return copied && got == 0;
}

class Attacher {
 public:
  Attacher(int32_t pid, const std::string& program, const RemoteMemory& memory)
      : pid_(pid), memory_(memory), stack_(memory, pid), order_(std::make_unique<attach::Order>()) {
    outcome_.program = program;
  }

  AttachOutcome Attach(const AttachRequest& request);
  AttachOutcome Detach();

 private:
  bool Fail(std::string clause) {
    outcome_.error = fmt::format("process {} ({}) could not be {}: {}", pid_, outcome_.program,
                                 detaching_ ? "detached from" : "attached to", clause);
    return false;
  }
  bool ReadPlaces();
  bool Load(const std::string& library, Session* session);
  bool LoadByPath(const std::string& path, Session* session);
  bool LoadByDescriptor(const std::string& library, Session* session);
  void FillOrder(attach::Command command);
  bool Understand(uint32_t result);
  bool Begin(const AttachRequest& request);
  bool Finish();
  bool Leave();
  bool Redirect(bool attach);
  void LookAgain();
  bool Write(const Redirection& plan, const std::vector<attach::Adopted>* connections);
  size_t WriteWords(const Redirection& plan) const;
  void WriteConnections(const std::vector<attach::Adopted>& connections,
                        const std::set<int32_t>& sockets) const;

  const int32_t pid_;
  const RemoteMemory& memory_;
  RemoteStack stack_;
  Modules modules_;
  LibcPlaces places_;
  RemoteBlock block_;
  std::unique_ptr<attach::Order> order_;
  std::vector<attach::Adopted> connecting_;  // connects under way when calls were redirected
  AttachOutcome outcome_;
  bool detaching_ = false;
};

bool Attacher::ReadPlaces() {
  modules_ = ReadModules(pid_, memory_);
  const std::string missing = FindLibcPlaces(modules_, memory_, &places_);
  return missing.empty() || Fail(fmt::format("{} was not found in its memory", missing));
}

bool Attacher::LoadByPath(const std::string& path, Session* session) {
  if (path.size() >= RemoteBlock::kTextSize) return false;
  if (!memory_.Write(block_.Text(), path.c_str(), path.size() + 1)) return false;
  constexpr uint64_t kNow = 2;         // RTLD_NOW of glibc
  constexpr uint64_t kGlobal = 0x100;  // RTLD_GLOBAL
  if (!session->Call(places_.dlopen, {block_.Text(), kNow | kGlobal})) return false;
  modules_ = ReadModules(pid_, memory_);
  return modules_.Library() != nullptr;
}

// Loads a copy in memory, if the process does not see the file (a container) or may not read it.
bool Attacher::LoadByDescriptor(const std::string& library, Session* session) {
  constexpr char kName[] = "libpqleash.so";
  if (places_.memfd_create == 0 || !memory_.Write(block_.Text(), kName, sizeof kName)) return false;
  const auto made = session->Call(places_.memfd_create, {block_.Text(), MFD_CLOEXEC});
  const auto descriptor = static_cast<int64_t>(made.value_or(~uint64_t{0}));
  if (descriptor < 0) return false;
  const bool copied = CopyFile(library, fmt::format("/proc/{}/fd/{}", pid_, descriptor));
  const bool loaded = copied && LoadByPath(fmt::format(fmt::runtime(kFdPath), descriptor), session);
  if (session->error().empty()) session->Call(places_.close, {static_cast<uint64_t>(descriptor)});
  return loaded;
}

bool Attacher::Load(const std::string& library, Session* session) {
  if (modules_.Library() != nullptr) return true;  // of an earlier attach
  if (SeesFile(pid_, library) && LoadByPath(library, session)) return true;
  if (session->error().empty() && LoadByDescriptor(library, session)) return true;
  if (!session->error().empty()) return Fail(session->error());
  return Fail(fmt::format(
      "its dynamic linker does not take {}: it needs glibc 2.28 or later, room for thread-local "
      "variables, and memory that may be executed",
      library));
}

void Attacher::FillOrder(attach::Command command) {
  order_->command = command;
  size_t used = 0;
  for (const LoadedModule& module : modules_.modules) {
    if (!module.is_libpq || used == attach::kCopies) continue;
    order_->copies[used++].signature = module.symbols.Find("PQconnectStart");
  }
  outcome_.copies = used;
}

bool Attacher::Understand(uint32_t result) {
  switch (result) {
    case attach::kDone:
      return true;
    case attach::kStaysOut:
      return Fail("the library stays out of it");
    case attach::kAlreadyCovered:
      return Fail("it is covered already");
    case attach::kNotAttached:
      return Fail(
          "it is not attached to; what was started with the library is let go by a restart");
    case attach::kNoState:
      return Fail("the library has no memory in it, or it is in a sandbox of its own making");
    case attach::kHeldBack:
      return Fail(
          "a cap holds connects of it back, or has refused some that it has not closed yet; lift "
          "the "
          "cap with `pqleash caps set NAME --limit`, and try again");
    default:
      return Fail(
          "the library in it is of another version than this tool: use the pqleash that it was "
          "attached with");
  }
}

bool Attacher::Begin(const AttachRequest& request) {
  std::string variables;
  for (const std::string& variable : request.variables) {
    variables += variable;
    variables += '\0';
  }
  if (variables.size() + 2 > sizeof order_->variables)
    return Fail("the variables for it are too long");
  std::memcpy(order_->variables, variables.data(), variables.size());
  Session session(pid_, memory_, &stack_, places_, &block_);
  if (!session.error().empty()) return Fail(session.error());
  bool done = Load(request.library, &session);
  if (done) {
    FillOrder(attach::kBegin);
    done = session.Carry(modules_.Library()->symbols.Find(attach::kEntry), order_.get())
               ? Understand(order_->result)
               : Fail(session.error());
  }
  if (!done && session.error().empty()) session.FreeBlock();
  outcome_.thread_stops_us.push_back(session.HeldUs());
  return done;
}

bool Attacher::Finish() {
  Session session(pid_, memory_, &stack_, places_, &block_);
  if (!session.error().empty()) return Fail(session.error());
  order_->command = attach::kFinish;
  if (!session.Carry(modules_.Library()->symbols.Find(attach::kEntry), order_.get()))
    return Fail(session.error());
  outcome_.adopted += order_->taken_count;
  const bool in_use = order_->result == attach::kListInUse;
  const bool done = in_use || Understand(order_->result);
  if (in_use) {
    block_ = {};  // it stays in the process
  } else {
    session.FreeBlock();
  }
  outcome_.thread_stops_us.push_back(session.HeldUs());
  return done;
}

bool Attacher::Leave() {
  Session session(pid_, memory_, &stack_, places_, &block_);
  if (!session.error().empty()) return Fail(session.error());
  FillOrder(attach::kDetach);
  const bool called = session.Carry(modules_.Library()->symbols.Find(attach::kEntry), order_.get());
  const bool done = called ? Understand(order_->result) : Fail(session.error());
  if (called) session.FreeBlock();
  outcome_.thread_stops_us.push_back(session.HeldUs());
  return done;
}

// Changes each word that still is what it was when the plan was made.
size_t Attacher::WriteWords(const Redirection& plan) const {
  size_t written = 0;
  const auto is_as_before = [this](const WordChange& change) {
    return memory_.Word(change.address) == change.before;
  };
  if (std::all_of(plan.scope.begin(), plan.scope.end(), is_as_before)) {
    for (const WordChange& change : plan.scope) memory_.WriteWord(change.address, change.after);
  }
  for (const WordChange& change : plan.words) {
    if (is_as_before(change) && memory_.WriteWord(change.address, change.after)) ++written;
  }
  return written;
}

// Lists the connections that are still open. The process stands still, so their end is seen from
// now on.
void Attacher::WriteConnections(const std::vector<attach::Adopted>& connections,
                                const std::set<int32_t>& sockets) const {
  uint32_t count = 0;
  for (const attach::Adopted& found : connections) {
    for (const attach::Copy& copy : order_->copies) {
      if (copy.signature == 0 || copy.number != found.copy) continue;
      attach::Adopted now;
      if (ReadConnection(memory_, copy, sockets, found.handle, &now) != ConnectionStage::kOpen)
        continue;
      memory_.Write(block_.Order() + offsetof(attach::Order, adopted) + count * sizeof now, &now,
                    sizeof now);
      ++count;
    }
  }
  if (count == 0) return;
  memory_.Write(block_.Order() + offsetof(attach::Order, adopted_count), &count, sizeof count);
  memory_.WriteWord(order_->waiting_word, block_.Order());
}

bool Attacher::Write(const Redirection& plan, const std::vector<attach::Adopted>* connections) {
  const LoadedModule* linker = modules_.Linker();
  const auto limit = Clock::now() + kStopPatience;
  std::string why;
  while (Clock::now() < limit) {
    const std::set<int32_t> sockets = SocketsOf(pid_);
    bool busy = false;
    const auto begun = Clock::now();
    const StopOutcome stop =
        WithThreadsStopped(pid_, false, [&](const std::vector<StoppedThread>& threads) {
          for (const StoppedThread& thread : threads) {
            user_regs_struct registers;
            if (thread.registers.size() < sizeof registers) continue;
            std::memcpy(&registers, thread.registers.data(), sizeof registers);
            busy = busy || (linker != nullptr && linker->image.range.Contains(registers.rip));
          }
          if (busy) return;
          // Connections come first: with the first word that is redirected the library may see an
          // end.
          if (connections != nullptr) WriteConnections(*connections, sockets);
          outcome_.words += WriteWords(plan);
        });
    why = busy ? "one of its threads is in the dynamic linker all the time" : stop.error;
    if (stop.error.empty()) outcome_.process_stops_us.push_back(MicrosecondsSince(begun));
    if (why.empty()) return true;
    // On a busy machine a thread may not stop in time. The others were let go, so it is tried
    // again.
    if (!busy && !stop.error.ends_with("does not stop")) break;
    usleep(kBetween);
  }
  return Fail(why + "; it runs on, and nothing is half done that would harm it: try again");
}

bool Attacher::Redirect(bool attach) {
  for (int round = 0; round < kMaxRounds; ++round) {
    if (round > 0) modules_ = ReadModules(pid_, memory_);
    const Redirection plan =
        attach ? PlanAttach(modules_, memory_, *order_) : PlanDetach(modules_, memory_, *order_);
    outcome_.foreign = plan.foreign;
    std::vector<attach::Adopted> connections;
    const bool first = attach && round == 0;
    if (first) {
      FoundConnections found = FindConnections(modules_, memory_, *order_, SocketsOf(pid_));
      connections = std::move(found.open);
      connecting_ = std::move(found.connecting);
    }
    if (plan.empty() && connections.empty()) break;
    if (!Write(plan, first ? &connections : nullptr)) return false;
  }
  return true;
}

// Takes over what was being opened while calls were redirected: nobody has seen the begin of these
// connects, and a blocking one ends inside libpq. What is opened since is left alone: the library
// has it, or is about to.
void Attacher::LookAgain() {
  std::vector<attach::Adopted> opened;
  const auto limit = Clock::now() + kConnectPatience;
  while (!connecting_.empty() && Clock::now() < limit) {
    const std::set<int32_t> sockets = SocketsOf(pid_);
    std::vector<attach::Adopted> rest;
    for (const attach::Adopted& each : connecting_) {
      for (const attach::Copy& copy : order_->copies) {
        if (copy.signature == 0 || copy.number != each.copy) continue;
        attach::Adopted now;
        const ConnectionStage stage = ReadConnection(memory_, copy, sockets, each.handle, &now);
        if (stage == ConnectionStage::kConnecting) rest.push_back(each);
        if (stage == ConnectionStage::kOpen) opened.push_back(now);
      }
    }
    connecting_ = std::move(rest);
    if (!connecting_.empty()) usleep(kBetweenLooks);
  }
  if (opened.empty()) return;
  // The block of the first look is gone.
  {
    Session session(pid_, memory_, &stack_, places_, &block_);
    outcome_.thread_stops_us.push_back(session.HeldUs());
    if (!session.error().empty()) return;
  }
  // What cannot be taken over now is taken over when it is used.
  if (!Write({}, &opened) || !Finish()) outcome_.error.clear();
}

AttachOutcome Attacher::Attach(const AttachRequest& request) {
  if (ReadPlaces() && Begin(request) && Redirect(true) && Finish()) LookAgain();
  return std::move(outcome_);
}

AttachOutcome Attacher::Detach() {
  detaching_ = true;
  if (!ReadPlaces()) return std::move(outcome_);
  if (modules_.Library() == nullptr) {
    Fail("it is not attached to");
  } else if (Leave()) {
    Redirect(false);
  }
  return std::move(outcome_);
}

AttachOutcome Refused(std::string sentence) {
  AttachOutcome outcome;
  outcome.error = std::move(sentence);
  return outcome;
}

AttachOutcome Carry(int32_t pid, bool force, const AttachRequest* request) {
  const TargetFacts facts = ReadTargetFacts(pid);
  if (auto why = WhyNotAttach(facts, force)) return Refused(*std::move(why));
  const RemoteMemory memory(pid);
  if (memory.error() != 0)
    return Refused(fmt::format("process {} ({}) cannot be attached to: {}", pid, facts.program,
                               WhyRefused(pid, memory.error())));
  Attacher attacher(pid, facts.program, memory);
  return request != nullptr ? attacher.Attach(*request) : attacher.Detach();
}

}  // namespace

AttachOutcome Attach(const AttachRequest& request) {
  return Carry(request.pid, request.force, &request);
}

AttachOutcome Detach(int32_t pid, bool force) { return Carry(pid, force, nullptr); }

}  // namespace pqleash::reporter
