// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/process.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "shim/caps/board_file.h"
#include "shim/interpose/intercepted.h"
#include "shim/ledger/directory.h"
#include "shim/libpq/copies.h"
#include "shim/log/log.h"
#include "shim/stack/capture.h"
#include "shim/stack/script/interpreters.h"
#include "shim/stack/script/own_memory.h"
#include "shim/stack/unwinder.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"
#include "shim/support/stack_room.h"
#include "shim/support/text.h"
#include "shim/tracker/exit.h"
#include "shim/tracker/sandbox.h"

namespace pqleash::tracker {

constinit std::atomic<Process*> Process::current_{nullptr};
constinit std::atomic<Process*> Process::inherited_{nullptr};
constinit std::atomic<uint32_t>* Process::owned_ = nullptr;

namespace {

constexpr uint32_t kStringBytes = 512 * 1024;
constexpr uint32_t kStringEntries = 16 * 1024;
constexpr uint32_t kTargetCapacity = 1'024;
constexpr uint32_t kScriptFrameCapacity = 8 * 1024;
constexpr uint32_t kMinFramesPerSite = 64;
constexpr uint32_t kSeenPerSite = 4;
constexpr uint32_t kLabelCapacity = 256;

// One thread makes the state; the others go on without for the few milliseconds, counted as
// unrecorded by nobody but found again by none of them: so they wait, bounded. The word holds the
// maker's pid: a child of a fork in that very moment finds a pid that is not its own, and takes
// over.
constinit std::atomic<pid_t> maker{0};
// Set for good: this process and its children are left alone.
constinit std::atomic<bool> stays_out{false};

// An attached state has left: another attach may make a new one.
constinit std::atomic<bool> left{false};
constinit std::atomic<bool> attaching{false};

// Read by the one thread that makes the state; too large for the stack of a small thread.
constinit caps::Configured configured = {};

caps::BoardCapacity BoardCapacityOf(const Settings& settings) {
  return {1, kLabelCapacity, settings.connections};
}

// Of stacks as deep as they may be: so many of the program's native frames, and of its scripts'.
// Room that is not used costs nothing.
uint32_t FrameCapacityOf(const Settings& settings) {
  return settings.call_sites * std::max(kMinFramesPerSite, 2 * settings.stack_depth);
}

uint32_t TableSize(uint32_t entries) { return std::bit_ceil(entries * 2); }

// The private tables of a process, one behind the other, behind the Process itself.
struct Tables {
  std::atomic<uint64_t>* strings;
  std::atomic<uint32_t>* targets;
  std::atomic<uint32_t>* script_frames;
  std::atomic<uint64_t>* seen_stacks;
  std::atomic<uint32_t>* sites_by_id;
  Connection* connections;
  Connections::Bucket* buckets;
  caps::Claim* claims;
  HeldBackSlot* held_back;
  caps::ParkingPlace* parking_places;
  uint32_t* parked;
  size_t size;  // of the whole, the Process with it
};

class Layout {
 public:
  explicit Layout(char* base) : base_(base) {}
  template <typename Record>
  Record* Take(size_t count) {
    size_ = (size_ + 63) / 64 * 64;
    auto* records = reinterpret_cast<Record*>(base_ + size_);
    size_ += count * sizeof(Record);
    return records;
  }
  size_t size() const { return size_; }

 private:
  char* base_;
  size_t size_ = 0;
};

// `process` may be nullptr: for the size alone.
Tables TablesOf(Process* process, const Settings& settings) {
  Layout layout(reinterpret_cast<char*>(process));
  layout.Take<Process>(1);
  Tables tables;
  tables.strings = layout.Take<std::atomic<uint64_t>>(kStringEntries);
  tables.targets = layout.Take<std::atomic<uint32_t>>(TableSize(kTargetCapacity));
  tables.script_frames = layout.Take<std::atomic<uint32_t>>(TableSize(kScriptFrameCapacity));
  tables.seen_stacks =
      layout.Take<std::atomic<uint64_t>>(std::bit_ceil(settings.call_sites * kSeenPerSite));
  tables.sites_by_id = layout.Take<std::atomic<uint32_t>>(TableSize(settings.call_sites));
  tables.connections = layout.Take<Connection>(settings.connections);
  tables.buckets = layout.Take<Connections::Bucket>(TableSize(settings.connections));
  tables.claims = layout.Take<caps::Claim>(settings.connections);
  tables.held_back = layout.Take<HeldBackSlot>(settings.connections);
  tables.parking_places = layout.Take<caps::ParkingPlace>(settings.connections);
  tables.parked = layout.Take<uint32_t>(settings.connections);
  tables.size = layout.size();
  return tables;
}

void* MapMemory(size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory != MAP_FAILED ? memory : nullptr;
}

// The word that a fork empties. Mapped once; the advice stays with the mapping in children. Kernels
// before 4.14 do not know the advice: there, fork(3) alone is noticed.
std::atomic<uint32_t>* MapOwnedWord() {
  static constinit std::atomic<uint32_t>* word = nullptr;
  void* page = MapMemory(4096);
  if (page == nullptr) return nullptr;
  word = static_cast<std::atomic<uint32_t>*>(page);
  if (madvise(page, 4096, MADV_WIPEONFORK) != 0) {
    pthread_atfork(nullptr, nullptr, [] { word->store(0, std::memory_order_relaxed); });
  }
  return word;
}

}  // namespace

Process* Process::CurrentOrCreate() noexcept {
  if (Process* process = Current()) return process;
  if (stays_out.load(std::memory_order_relaxed)) return nullptr;
  const HostStateKeeper keeper;
  // Whoever is in a sandbox of its own making by now would be killed for what follows, and for a
  // word about it in the log.
  if (FilterCame()) {
    stays_out.store(true, std::memory_order_relaxed);
    return nullptr;
  }
  if (!StackHasRoom(kStackForConfiguration)) return nullptr;
  const pid_t self = getpid();
  constexpr int kMaxTurns = 100'000;
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    pid_t owner = maker.load(std::memory_order_acquire);
    if (owner != self && maker.compare_exchange_strong(owner, self, std::memory_order_acq_rel)) {
      Process* process = Current();
      if (process == nullptr && !stays_out.load(std::memory_order_relaxed)) process = Create();
      maker.store(0, std::memory_order_release);
      log::Flush();
      return process;
    }
    if (Process* process = Current()) return process;
    if (stays_out.load(std::memory_order_relaxed)) return nullptr;
    sched_yield();
  }
  return nullptr;
}

Process* Process::CreateAttached() noexcept {
  attaching.store(true, std::memory_order_release);
  if (left.exchange(false)) stays_out.store(false, std::memory_order_release);
  Process* process = CurrentOrCreate();
  attaching.store(false, std::memory_order_release);
  return process;
}

bool Process::StaysOut() noexcept { return stays_out.load(std::memory_order_relaxed); }
bool Process::Left() noexcept { return left.load(std::memory_order_relaxed); }

bool Process::NothingHeldBack() const {
  if (!HeldBack::None()) return false;
  const uint32_t used = ledger::Load(ledger.header().connections_high_water);
  for (uint32_t slot = 0; slot < used; ++slot) {
    if (connections.At(slot).state == ledger::kWaiting) return false;
  }
  return true;
}

void Process::Leave() noexcept {
  ledger::Header& header = ledger.header();
  left.store(true, std::memory_order_relaxed);
  stays_out.store(true, std::memory_order_relaxed);
  current_.store(nullptr, std::memory_order_release);
  ledger::Store(header.ended_ns, Now());
  ledger::Store<uint32_t>(header.attach_state, ledger::kDetached);
  ledger::Store<uint32_t>(header.process_state, ledger::kProcessEnded);
  caps.Leave(Now());
}

Process* Process::Create() noexcept {
  Identity identity;
  ReadIdentity(&identity);
  Settings settings = {};
  if (!MustStayOut(identity)) {
    if (owned_ == nullptr) owned_ = MapOwnedWord();
    if (owned_ != nullptr) {
      ReadSettings(identity, &settings, &configured);
      if (Process* process = Allocate(settings)) {
        int directory = -1;
        if (process->MapLedger(identity, &directory)) {
          process->UseTables();
          process->FillHeader(identity);
          process->BeginCaps(identity, directory);
          if (directory >= 0) close(directory);
          inherited_.store(current_.load(std::memory_order_relaxed), std::memory_order_release);
          owned_->store(1, std::memory_order_relaxed);
          current_.store(process, std::memory_order_release);
          WatchExit(settings.report_at_exit);
          if (FilterExpected()) {
            stack::AlwaysProbe();
            process->Prepare();
          }
          return process;
        }
      }
    }
    log::Write(log::Level::kError, log::Event::kRecordsUnavailable,
               {log::Field::Text("error", strerrordesc_np(errno))},
               "no memory to keep records in (%s): connections of this process are not recorded",
               strerrordesc_np(errno));
  }
  stays_out.store(true, std::memory_order_relaxed);
  return nullptr;
}

Process* Process::Allocate(const Settings& settings) {
  void* memory = MapMemory(TablesOf(nullptr, settings).size);
  if (memory == nullptr) return nullptr;
  auto* process = static_cast<Process*>(memory);  // every member is valid as zero bytes
  process->settings = settings;
  new (&process->caps) caps::Caps();
  new (&process->survey) Survey(process);
  return process;
}

// For what most programs come to. Beyond it is asked whether a filter has come: see MayGrow.
void Process::Prepare() {
  constexpr uint32_t kSitesAhead = 256;
  constexpr uint32_t kFramesASite = 32;
  constexpr uint32_t kStringBytesAhead = 64 * 1024;
  constexpr size_t kStackAhead = size_t{128} * 1024;
  constexpr rlim_t kWideStack = rlim_t{1024} * 1024;
  constexpr struct {
    ledger::SectionIndex section;
    uint32_t count;
  } kAhead[] = {{ledger::kConnections, 1'024},
                {ledger::kCallSites, kSitesAhead},
                {ledger::kFrames, kSitesAhead * kFramesASite},
                {ledger::kScriptFrames, kSitesAhead},
                {ledger::kModules, 256},
                {ledger::kTargets, 64},
                {ledger::kStrings, kStringBytesAhead}};
  for (const auto& [section, count] : kAhead)
    ledger.MakeRoom(section, std::min(count, ledger.capacity(section)));
  ledger.GrowOnlyIf([] { return !FilterCame(); });
  // The pages of the stack that are above this: looked at once, readable from then on.
  stack::Stack stack;
  const LoaderState loader = ReadLoaderState();
  stack::CaptureFrom(__builtin_return_address(0), settings.stack_depth, loader, &stack);
  rlimit limit = {};
  if (gettid() == getpid() && getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= kWideStack)
    stack::UseStackBelow(kStackAhead);
  modules.Keep();
  modules.Follow(loader);
  AllowExaminer(*this);
}

bool Process::MapLedger(const Identity& identity, int* opened_directory) {
  const ledger::Capacities capacities = {
      settings.connections,
      settings.call_sites,
      FrameCapacityOf(settings),
      kScriptFrameCapacity,
      stack::kMaxLoadedModules,
      kTargetCapacity,
      kStringBytes,
      ledger::kHistoryPeriods,
      static_cast<uint32_t>(caps::Board::Size(BoardCapacityOf(settings)))};
  ledger::Problem problem = {};
  const int directory = ledger::OpenDirectory(settings.dir, identity.uid, &problem);
  if (directory >= 0) {
    if (ledger::TimeToSweep(directory, static_cast<uint64_t>(identity.pid)))
      ledger::RemoveOldLedgers(directory, settings.keep_dead, identity.pid_namespace);
    char name[64];
    const int fd =
        ledger::CreateLedgerFile(directory, identity.pid, identity.start_ticks, name, &problem);
    if (fd >= 0) {
      bool mapped = ledger.Map(fd, capacities);
      // What is always there: the first site, and the history.
      if (mapped && (!ledger.MakeRoom(ledger::kCallSites, 1) ||
                     !ledger.MakeRoom(ledger::kHistory, ledger::kHistoryPeriods))) {
        ledger.Unmap();
        errno = ENOSPC;
        mapped = false;
      }
      if (mapped) {
        snprintf(ledger_path, sizeof(ledger_path), "%s/%s", settings.dir, name);
      } else {
        snprintf(problem.text, sizeof(problem.text),
                 "cannot make the ledger %s of %llu bytes in %s: %s", name,
                 static_cast<unsigned long long>(ledger::Ledger::FileSize(capacities)),
                 settings.dir, strerrordesc_np(errno));
        unlinkat(directory, name, 0);
      }
      close(fd);
      if (mapped) {
        *opened_directory = directory;
        return true;
      }
    }
    close(directory);
  }
  log::Write(log::Level::kError, log::Event::kLedgerUnavailable,
             "%s; connections of this process are recorded in its memory only", problem.text);
  return ledger.Map(-1, capacities);
}

void Process::UseTables() {
  const Tables tables = TablesOf(this, settings);
  strings.Use(&ledger, tables.strings, kStringEntries);
  targets.Use(&ledger, &strings, tables.targets, TableSize(kTargetCapacity));
  script_frames.Use(&ledger, &strings, tables.script_frames, TableSize(kScriptFrameCapacity));
  modules.Use(&ledger, &strings);
  call_sites.Use(&ledger, &modules, &script_frames, tables.seen_stacks,
                 std::bit_ceil(settings.call_sites * kSeenPerSite), tables.sites_by_id,
                 TableSize(settings.call_sites));
  connections.Use(&ledger, tables.connections, settings.connections, tables.buckets,
                  TableSize(settings.connections));
  lifecycle.Use(&ledger, &connections, &caps);
  // In a filter of system calls nothing is made on the path of a query.
  use_stacks.Use(FilterExpected() ? 0 : settings.use_stacks);
  held_back.Use(tables.held_back);
  parking.Use(tables.parking_places, tables.parked, settings.connections);
  for (uint32_t i = 0; i < kFunctionCount; ++i)
    function_names[i] = strings.Intern(kFunctionNames[i]);
}

void Process::BeginCaps(const Identity& identity, int directory) {
  const char* name = strrchr(ledger_path, '/');
  const caps::MemberIdentity member = {identity.pid, identity.start_ticks, identity.stack_start,
                                       settings.service, name != nullptr ? name + 1 : ""};
  caps.Begin({.configured = &configured,
              .surveyor = &survey,
              .service = settings.service,
              .directory = settings.dir,
              .identity = member,
              .own_memory = &ledger.At<char>(ledger::kBoard, 0),
              .own_capacity = BoardCapacityOf(settings),
              .populate = caps::MakePages,
              .directory_fd = directory,
              .uid = identity.uid,
              .place = caps::ThisPlace(),
              .few_calls = FilterExpected(),
              .claims = TablesOf(this, settings).claims},
             Now());
  parking.UseClerk(&caps);
}

void Process::FillHeader(const Identity& identity) {
  ledger::Header& header = ledger.header();
  header.version = ledger::kVersion;
  header.header_size = ledger::kHeaderSize;
  header.byte_order = ledger::kByteOrder;
  header.process_state = ledger::kProcessLive;
  header.pid = identity.pid;
  header.parent_pid = identity.parent_pid;
  header.uid = identity.uid;
  header.stack_depth = settings.stack_depth;
  header.pid_namespace = identity.pid_namespace;
  header.start_ticks = identity.start_ticks;
  header.created_realtime_ns = ReadClock(CLOCK_REALTIME);
  header.created_monotonic_ns = Now();
  header.run_id = settings.run_id;
  CopyText(identity.boot_id, header.boot_id);
  CopyText(settings.service, header.service);
  CopyText(identity.host_name, header.host_name);
  CopyText(PQLEASH_VERSION, header.library_version);
  header.exe = strings.Intern(identity.executable);
  header.unwinder = ledger::kUnwinderCfi;
  header.intercepted = Intercepted();
  header.use_stacks = FilterExpected() ? 0 : settings.use_stacks;
  if (attaching.load(std::memory_order_acquire)) header.attach_state = ledger::kAttachBegun;
  header.private_begin = reinterpret_cast<uintptr_t>(this);
  header.private_size = TablesOf(this, settings).size;
  ledger.Publish();
}

void Process::BookLibpq(uint32_t number, uint32_t way) {
  ledger::Header& header = ledger.header();
  ledger::Store(header.interpreters, stack::InterpretersSeen());
  ledger::LibpqCopy& record = header.libpq_copies[number];
  if ((ledger::Load(record.ways) & way) != 0) return;
  const libpq::Copy* copy = libpq::ByNumber(number);
  if (copy == nullptr) return;
  ledger::Store(record.version, copy->version);
  ledger::Store(record.path, strings.Intern(copy->path));
  ledger::Raise(header.libpq_copies_used, number + 1);
  ledger::Atomic(record.ways).fetch_or(way, std::memory_order_release);
}

}  // namespace pqleash::tracker
