// SPDX-License-Identifier: Apache-2.0
//
// Threads: their stacks, their end, and what the kernel keeps for each of them.

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <climits>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

using Start = void* (*)(void*);

void RunThread(Start start, const pthread_attr_t* attributes = nullptr) {
  pthread_t thread;
  const int error = pthread_create(&thread, attributes, start, nullptr);
  if (error != 0) {
    Say("no thread: %d", error);
    return;
  }
  pthread_join(thread, nullptr);
}

void* WorkInThread(void* /*unused*/) {
  Work();
  return nullptr;
}

void* OnlyConnect(void* /*unused*/) {
  PQfinish(PQconnectdb(""));
  return nullptr;
}

int MainEndsFirst() {
  Connect();
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void* first) -> void* {
        pthread_join(*static_cast<pthread_t*>(first), nullptr);
        Work();
        exit(6);
      },
      new pthread_t(pthread_self()));
  pthread_exit(nullptr);
}

pthread_key_t key;

int KeyDestructor() {
  pthread_key_create(&key, [](void* conn) {
    Say("destructor");
    Finish(static_cast<PGconn*>(conn));
    Work();
  });
  RunThread([](void*) -> void* {
    pthread_setspecific(key, Connect());
    return nullptr;
  });
  return 0;
}

struct Held {
  PGconn* conn = nullptr;
  ~Held() {
    Say("thread_local");
    PQfinish(conn);
  }
};
thread_local Held held;

int ThreadLocalObject() {
  RunThread([](void*) -> void* {
    held.conn = Connect();
    return nullptr;
  });
  held.conn = Connect();
  return 0;
}

int KeysLeft() {
  Connect();
  int made = 0;
  for (pthread_key_t each; made < 2 * PTHREAD_KEYS_MAX && pthread_key_create(&each, nullptr) == 0;)
    ++made;
  Say("keys: %d", made);
  RunThread(WorkInThread);
  return 0;
}

int ManyThreads() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  pthread_t threads[300];
  for (int round = 0; round < 3; ++round) {
    for (pthread_t& thread : threads) pthread_create(&thread, &attributes, OnlyConnect, nullptr);
    for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  }
  Say("over");
  return 0;
}

int Detached() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  static int ends[2];
  if (pipe(ends) != 0) return 1;
  pthread_t thread;
  pthread_create(
      &thread, &attributes,
      [](void*) -> void* {
        Work();
        close(ends[1]);
        return nullptr;
      },
      nullptr);
  char byte;
  Say("over: %d", static_cast<int>(read(ends[0], &byte, 1)));
  return 0;
}

int OwnStack() {
  const size_t size = 128 << 10;
  char* memory = static_cast<char*>(
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, memory, size);
  RunThread(WorkInThread, &attributes);
  Say("unmapped: %d", munmap(memory, size));
  Work();
  return 0;
}

int ThreadCount() {
  Work();
  DIR* tasks = opendir("/proc/self/task");
  int count = 0;
  while (const dirent* entry = readdir(tasks)) count += entry->d_name[0] != '.';
  closedir(tasks);
  Say("threads: %d", count);
  return 0;
}

int Scheduling() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  Say("pinned: %d", sched_setaffinity(0, sizeof(one), &one));
  const sched_param parameters = {1};
  sched_setscheduler(0, SCHED_FIFO, &parameters);
  Work();
  cpu_set_t after;
  sched_getaffinity(0, sizeof(after), &after);
  Say("still: %d, policy %d", CPU_COUNT(&after), sched_getscheduler(0));
  return 0;
}

int Name() {
  pthread_setname_np(pthread_self(), "host-main");
  Work();
  char name[16];
  pthread_getname_np(pthread_self(), name, sizeof(name));
  Say("name: %s", name);
  return 0;
}

// A thread with descriptors and a working directory of its own.
int OwnFiles() {
  Connect();
  RunThread([](void*) -> void* {
    Say("unshared: %d", unshare(CLONE_FILES | CLONE_FS));
    for (int fd = 3; fd < 32; ++fd) close(fd);
    if (chdir("/") != 0) Say("no way to the root");
    Work();
    return nullptr;
  });
  Work();
  SayDescriptors();
  return 0;
}

// As NFS servers do it: the kernel's ids are a thread's, glibc's call changes all of them.
int UserOfOneThread() {
  Connect();
  RunThread([](void*) -> void* {
    syscall(SYS_setresuid, 65534, 65534, 65534);
    Work();
    return nullptr;
  });
  Say("still: %d", static_cast<int>(geteuid()));
  Work();
  return 0;
}

int FirstConnectAsOther() {
  RunThread([](void*) -> void* {
    syscall(SYS_setresuid, 65534, 65534, 65534);
    Work();
    return nullptr;
  });
  Work();
  return 0;
}

int CancelledAtOnce() {
  pthread_t thread;
  static PGconn* conn = Connect();
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
        for (volatile bool ever = true; ever;) {
        }
        return nullptr;
      },
      nullptr);
  pthread_cancel(thread);
  pthread_join(thread, nullptr);
  Query(conn, "SELECT 1");
  Finish(conn);
  return 0;
}

int CancelState() {
  RunThread([](void*) -> void* {
    int state = -1;
    int type = -1;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    Work();
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    Say("kept: %d %d", state == PTHREAD_CANCEL_DISABLE, type == PTHREAD_CANCEL_ASYNCHRONOUS);
    return nullptr;
  });
  return 0;
}

thread_local char large[512 << 10];

int LargeThreadLocal() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  Say("size: %d", pthread_attr_setstacksize(&attributes, 700 << 10));
  RunThread(
      [](void*) -> void* {
        large[1000] = 1;
        Work();
        return nullptr;
      },
      &attributes);
  return 0;
}

int RunsAtExit() {
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        for (;;) PQfinish(PQconnectdb(""));
      },
      nullptr);
  for (int i = 0; i < 200; ++i) PQfinish(PQconnectdb(""));
  Say("returning");
  return 8;
}

constexpr HostMode kModes[] = {
    {"main_ends_first", MainEndsFirst},
    {"key_destructor", KeyDestructor},
    {"thread_local_object", ThreadLocalObject},
    {"keys_left", KeysLeft},
    {"many_threads", ManyThreads},
    {"detached", Detached},
    {"own_stack", OwnStack},
    {"thread_count", ThreadCount},
    {"scheduling", Scheduling},
    {"name", Name},
    {"own_files", OwnFiles},
    {"user_of_one_thread", UserOfOneThread},
    {"first_connect_as_other", FirstConnectAsOther},
    {"cancelled_at_once", CancelledAtOnce},
    {"cancel_state", CancelState},
    {"large_thread_local", LargeThreadLocal},
    {"runs_at_exit", RunsAtExit},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
