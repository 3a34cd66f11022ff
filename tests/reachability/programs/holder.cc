// SPDX-License-Identifier: Apache-2.0
//
// A program that keeps connections in all sorts of places, and loses others in all sorts of ways.
//
//   holder HOW [CONNINFO]
//
// It says 'ready', and lives until its stdin ends. What it keeps it keeps until then.

#include <libpq-events.h>
#include <libpq-fe.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace holder {

const char* conninfo = "application_name=holder";

[[gnu::noinline]] PGconn* Connect() {
  PGconn* conn = PQconnectdb(conninfo);
  if (PQstatus(conn) != CONNECTION_OK) {
    fprintf(stderr, "%s", PQerrorMessage(conn));
    exit(1);
  }
  PQclear(PQexec(conn, "SELECT 1"));
  return conn;
}

void WaitForEndOfInput() {
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

// Without stdio, whose buffer would take memory that was freed, with what is in it.
void Ready() {
  if (write(STDOUT_FILENO, "ready\n", 6) != 6) exit(1);
}

// Overwrites what earlier calls have left on the stack, so that a test does not depend on it.
[[gnu::noinline]] void ClearStack() {
  volatile char bytes[64 << 10];
  for (volatile char& byte : bytes) byte = 0;
#if defined(__x86_64__)
  // The same for the registers that calls may change.
  asm volatile(
      "xor %%eax, %%eax\n\t"
      "xor %%ecx, %%ecx\n\t"
      "xor %%edx, %%edx\n\t"
      "xor %%esi, %%esi\n\t"
      "xor %%edi, %%edi\n\t"
      "xor %%r8d, %%r8d\n\t"
      "xor %%r9d, %%r9d\n\t"
      "xor %%r10d, %%r10d\n\t"
      "xor %%r11d, %%r11d\n\t"
      "pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\t"
      "pxor %%xmm3, %%xmm3\n\tpxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\t"
      "pxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\tpxor %%xmm8, %%xmm8\n\t"
      "pxor %%xmm9, %%xmm9\n\tpxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t"
      "pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\tpxor %%xmm14, %%xmm14\n\t"
      "pxor %%xmm15, %%xmm15"
      :
      :
      : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3",
        "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
        "xmm15");
#endif
}

// --- Kept ----------------------------------------------------------------------------------------

PGconn* global;
thread_local PGconn* local;

struct [[gnu::packed]] Packed {
  char before;
  PGconn* conn;
  char behind;
};
Packed packed;

struct Session {
  int number = 0;
  std::shared_ptr<PGconn> conn;
};
Session* session;
std::map<std::string, PGconn*> map;
std::unordered_map<int, PGconn*> hash;
std::deque<PGconn*> deque;
std::function<void()> callback;
std::vector<PGconn*>* pool;
void* mapped;
uintptr_t tagged;

[[gnu::noinline]] void KeepGlobal() { global = Connect(); }
[[gnu::noinline]] void KeepPacked() { packed.conn = Connect(); }
[[gnu::noinline]] void KeepSharedPointer() {
  session = new Session{7, std::shared_ptr<PGconn>(Connect(), PQfinish)};
}
// In the control structure alone, which finishes it in the end; the pointer is to something else.
int unrelated;
std::shared_ptr<int> aliased;
[[gnu::noinline]] void KeepAliased() {
  aliased = std::shared_ptr<int>(std::shared_ptr<PGconn>(Connect(), PQfinish), &unrelated);
}
[[gnu::noinline]] void KeepMap() { map["reports"] = Connect(); }
[[gnu::noinline]] void KeepHash() { hash[17] = Connect(); }
[[gnu::noinline]] void KeepDeque() { deque.push_back(Connect()); }
[[gnu::noinline]] void KeepClosure() {
  PGconn* conn = Connect();
  callback = [conn] { PQfinish(conn); };
}
[[gnu::noinline]] void KeepPool() {
  pool = new std::vector<PGconn*>;
  for (int i = 0; i < 50; ++i) pool->push_back(Connect());
}
[[gnu::noinline]] void KeepMapping() {
  mapped = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  static_cast<PGconn**>(mapped)[1234] = Connect();
}
// In memory that a thread had freed, and that was handed out again without being cleared: its
// blocks bear the marks of the thread's cache, which the allocator leaves in them when the thread
// ends.
void* reused[2];
[[gnu::noinline]] void KeepReused() {
  mallopt(M_ARENA_MAX, 1);
  constexpr size_t kBlocks = 7;  // of one size that a cache holds
  PGconn* conns[] = {Connect(), Connect()};
  std::thread([] {
    void* small[kBlocks];
    void* large[kBlocks];
    for (void*& block : small) block = malloc(104);
    for (void*& block : large) block = malloc(1'000);
    for (void* block : small) free(block);
    for (void* block : large) free(block);
  }).join();
  reused[0] = malloc(104);
  memcpy(reused[0], &conns[0], sizeof(void*));
  // Over several of the large ones, and behind what was a block's begin.
  reused[1] = malloc(6'000);
  memcpy(static_cast<char*>(reused[1]) + 1'008 + 32, &conns[1], sizeof(void*));
}
// At the very end of a piece of memory, and across the borders of pages.
[[gnu::noinline]] void KeepAtBorders() {
  char* memory = static_cast<char*>(
      mmap(nullptr, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const size_t places[] = {0,       4091,          (256 << 10) - 3, (1 << 20) - 7,
                           2 << 20, (3 << 20) - 1, (4 << 20) - 8};
  for (const size_t place : places) {
    PGconn* conn = Connect();
    memcpy(memory + place, &conn, sizeof(void*));
  }
}
[[gnu::noinline]] void KeepTagged() {
  tagged = reinterpret_cast<uintptr_t>(Connect()) | uintptr_t{0xabcd} << 48 | 1;
}
[[gnu::noinline]] void KeepInEpoll() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {};
  event.events = EPOLLIN;
  event.data.ptr = Connect();
  epoll_ctl(epoll, EPOLL_CTL_ADD, eventfd(0, EFD_CLOEXEC), &event);
  memset(&event, 0, sizeof event);
}
[[gnu::noinline]] void KeepInTimer() {
  struct sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_ptr = Connect();
  static timer_t timer;
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  memset(&event, 0, sizeof event);
}
[[gnu::noinline]] void KeepOnStack() {
  PGconn* volatile conn = Connect();
  Ready();
  WaitForEndOfInput();
  PQfinish(conn);
  _exit(0);
}
// Runs `keep` in a thread that does nothing afterwards.
void InThread(void (*keep)()) {
  std::atomic<bool> kept = false;
  std::thread([&kept, keep] {
    keep();
    ClearStack();
    kept = true;
    for (;;) pause();
  }).detach();
  while (!kept) usleep(100);
}
[[gnu::noinline]] void KeepThreadLocal() {
  local = Connect();
  InThread([] { local = Connect(); });
}
pthread_key_t key;
[[gnu::noinline]] void KeepThreadSpecific() {
  pthread_key_create(&key, nullptr);
  InThread([] { pthread_setspecific(key, Connect()); });
}
// A notice processor's argument is the program's object, and it leads back to the connection.
struct Wrapper {
  PGconn* conn;
  char rest[200];
};
Wrapper* wrapper;
[[gnu::noinline]] void KeepWrapper() {
  wrapper = new Wrapper{Connect(), {}};
  PQsetNoticeProcessor(
      wrapper->conn, [](void*, const char*) {}, wrapper);
}

// In what a callback of another connection gets as its argument, and nowhere else.
PGconn* others[3];
void* ArgumentWith(PGconn* conn) { return new Wrapper{conn, {}}; }
[[gnu::noinline]] void KeepInArguments() {
  for (PGconn*& other : others) other = Connect();
  PQsetNoticeProcessor(
      others[0], [](void*, const char*) {}, ArgumentWith(Connect()));
  PQsetNoticeReceiver(
      others[1], [](void*, const PGresult*) {}, ArgumentWith(Connect()));
  const PGEventProc call = [](PGEventId, void*, void*) { return 1; };
  PQregisterEventProc(others[2], call, "holder", ArgumentWith(Connect()));
  PQsetInstanceData(others[2], call, ArgumentWith(Connect()));
}

// In a register that calls leave alone, and nowhere else: waiting in a system call, and running.
[[gnu::noinline]] void KeepInRegister(bool running) {
  std::atomic<bool> ready = false;
  std::thread([&ready, running] {
    PGconn* conn = Connect();
    ClearStack();
#if defined(__x86_64__)
    std::atomic<bool>* const flag = &ready;
    asm volatile(
        "mov %[conn], %%r12\n\t"
        "movq $0, %[conn]\n\t"
        "movb $1, (%[flag])\n\t"
        "test %[running], %[running]\n\t"
        "jz 2f\n"
        "1:\tpause\n\t"
        "jmp 1b\n"
        "2:\tmov $34, %%eax\n\t"  // pause(2)
        "syscall\n\t"
        "jmp 2b\n"
        : [conn] "+m"(conn)
        : [flag] "r"(flag), [running] "r"(int{running})
        : "rax", "rcx", "r11", "r12", "memory");
#endif
  }).detach();
  while (!ready) usleep(100);
}

// From one container and thread to the next, as fast as it goes.
std::atomic<PGconn*> slots[2];
std::map<int, PGconn*> moving;
std::atomic_flag lock;
[[gnu::noinline]] void KeepMoving() {
  slots[0] = Connect();
  for (int i = 0; i < 2; ++i) {
    std::thread([i] {
      for (;;) {
        PGconn* conn = slots[i].exchange(nullptr);
        if (conn == nullptr) continue;
        while (lock.test_and_set()) {
        }
        moving.clear();
        moving[i] = conn;
        conn = nullptr;
        for (int turn = 0; turn < 200; ++turn) asm volatile("pause");
        std::swap(conn, moving[i]);
        lock.clear();
        slots[1 - i] = conn;
      }
    }).detach();
  }
}

// By owners that a variable leads to, through several blocks.
struct Holder {
  virtual ~Holder() = default;
  PGconn* conn = nullptr;
  std::shared_ptr<Holder> next;
};
std::unique_ptr<std::vector<std::unique_ptr<std::map<int, std::shared_ptr<Holder>>>>> nested;
[[gnu::noinline]] void KeepNested() {
  nested = std::make_unique<std::vector<std::unique_ptr<std::map<int, std::shared_ptr<Holder>>>>>();
  nested->push_back(std::make_unique<std::map<int, std::shared_ptr<Holder>>>());
  for (int i = 0; i < 5; ++i) {
    auto owner = std::make_shared<Holder>();
    owner->conn = Connect();
    (*nested->front())[i] = std::move(owner);
  }
}
// By an owner that a thread's stack alone leads to.
[[gnu::noinline]] void KeepOwnerOnStack() {
  std::atomic<bool> kept = false;
  std::thread([&kept] {
    const auto owner = std::make_unique<Holder>();
    owner->conn = Connect();
    ClearStack();
    kept = true;
    for (;;) pause();
  }).detach();
  while (!kept) usleep(100);
}
// On the stack of a coroutine that is parked in the frame of a scheduler, below the one that runs.
ucontext_t scheduler;
ucontext_t parked;
ucontext_t running;
void Park() {
  PGconn* volatile conns[3];
  for (PGconn* volatile& conn : conns) conn = Connect();
  swapcontext(&parked, &scheduler);
  for (PGconn* volatile& conn : conns) PQfinish(conn);
}
void RunOn() {
  ClearStack();
  Ready();
  WaitForEndOfInput();
  _exit(0);
}
[[gnu::noinline]] void KeepOnParkedStack() {
  constexpr size_t kSize = 200'000;
  char stacks[2 * kSize];
  const auto make = [&stacks](ucontext_t* context, size_t number, void (*run)()) {
    getcontext(context);
    context->uc_stack.ss_sp = stacks + number * kSize;
    context->uc_stack.ss_size = kSize;
    context->uc_link = &scheduler;
    makecontext(context, run, 0);
    swapcontext(&scheduler, context);
  };
  make(&parked, 0, Park);
  make(&running, 1, RunOn);
}

// The known limit.
uintptr_t masked;
[[gnu::noinline]] void KeepMasked() {
  masked = reinterpret_cast<uintptr_t>(Connect()) ^ 0x5a5a5a5a5a5a5a5a;
}

// --- Lost ----------------------------------------------------------------------------------------

[[gnu::noinline]] void LoseOverwritten() {
  static PGconn* current;
  current = Connect();
  current = Connect();
  PQfinish(current);
  current = nullptr;
}
[[gnu::noinline]] bool LoseEarlyReturn() {
  PGconn* conn = Connect();
  if (PQbackendPID(conn) != 0) return false;
  PQfinish(conn);
  return true;
}
// The memory of a container is freed with what is in it.
[[gnu::noinline]] void LoseVector() { std::vector<PGconn*> freed(20, Connect()); }
[[gnu::noinline]] void LoseLargeVector() { std::vector<PGconn*> freed(5'000, Connect()); }
[[gnu::noinline]] void LoseNode() { std::map<int, PGconn*> freed = {{1, Connect()}}; }
[[gnu::noinline]] void LoseMap() {
  std::map<int, PGconn*> freed;
  for (int i = 0; i < 20; ++i) freed[i] = Connect();
}
[[gnu::noinline]] void LoseDeque() { std::deque<PGconn*> freed = {Connect()}; }
[[gnu::noinline]] void LoseSharedPointer() {
  std::shared_ptr<PGconn> conn(Connect(), [](PGconn*) {});
}
[[gnu::noinline]] void LoseThread() {
  std::thread([] { LoseEarlyReturn(); }).join();
}
[[gnu::noinline]] void LoseFailed() {
  PQconnectdb("application_name=holder standin_outcome=fail dbname=no_such_database");
}

// Begun, and given up before it was done; and one that is still waited for.
[[gnu::noinline]] PGconn* Begin() {
  PGconn* conn = PQconnectStart(conninfo);
  PQconnectPoll(conn);
  return conn;
}
[[gnu::noinline]] void LoseBegun() { Begin(); }
[[gnu::noinline]] void KeepBegun() { global = Begin(); }

// Held by owners that are lost themselves: one that nobody deletes, two that hold each other, and
// one behind another.
[[gnu::noinline]] void LoseOwner() {
  auto* owner = new Holder;
  owner->conn = Connect();
  asm volatile("" : : "r"(owner) : "memory");  // or the compiler does without the owner
}
[[gnu::noinline]] void LoseCycle() {
  const auto a = std::make_shared<Holder>();
  a->next = std::make_shared<Holder>();
  a->next->next = a;
  a->next->conn = Connect();
}
[[gnu::noinline]] void LoseChain() {
  auto* first = new std::vector<Holder*>;
  for (int i = 0; i < 3; ++i) {
    first->push_back(new Holder);
    first->back()->conn = Connect();
  }
}

struct Way {
  const char* name;
  void (*take)();
};
constexpr Way kWays[] = {
    {"global", KeepGlobal},
    {"packed", KeepPacked},
    {"shared-pointer", KeepSharedPointer},
    {"aliased", KeepAliased},
    {"map", KeepMap},
    {"hash", KeepHash},
    {"deque", KeepDeque},
    {"closure", KeepClosure},
    {"pool", KeepPool},
    {"mapping", KeepMapping},
    {"reused", KeepReused},
    {"borders", KeepAtBorders},
    {"tagged", KeepTagged},
    {"epoll", KeepInEpoll},
    {"timer", KeepInTimer},
    {"stack", KeepOnStack},
    {"thread-local", KeepThreadLocal},
    {"thread-specific", KeepThreadSpecific},
    {"wrapper", KeepWrapper},
    {"arguments", KeepInArguments},
    {"register", [] { KeepInRegister(false); }},
    {"running-register", [] { KeepInRegister(true); }},
    {"moving", KeepMoving},
    {"masked", KeepMasked},
    {"nested", KeepNested},
    {"owner-on-stack", KeepOwnerOnStack},
    {"parked-stack", KeepOnParkedStack},
    {"lost-owner", LoseOwner},
    {"lost-cycle", LoseCycle},
    {"lost-chain", LoseChain},
    {"lost-overwritten", LoseOverwritten},
    {"lost-early-return", [] { LoseEarlyReturn(); }},
    {"lost-vector", LoseVector},
    {"lost-large-vector", LoseLargeVector},
    {"lost-node", LoseNode},
    {"lost-map", LoseMap},
    {"lost-deque", LoseDeque},
    {"lost-shared-pointer", LoseSharedPointer},
    {"lost-thread", LoseThread},
    {"lost-failed", LoseFailed},
    {"lost-begun", LoseBegun},
    {"begun", KeepBegun},
};

}  // namespace holder

int main(int argc, char** argv) {
  if (argc > 2) holder::conninfo = argv[2];
  bool found = false;
  // Several, with commas between them.
  const std::string ways = "," + std::string(argc > 1 ? argv[1] : "") + ",";
  for (const holder::Way& way : holder::kWays) {
    if (ways.find("," + std::string(way.name) + ",") == std::string::npos) continue;
    way.take();
    found = true;
  }
  if (!found) return 2;
  holder::ClearStack();
  holder::Ready();
  holder::WaitForEndOfInput();
  // What is kept is not given back in order: threads may be at work with it.
  _exit(0);
}
