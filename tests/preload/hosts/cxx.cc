// SPDX-License-Identifier: Apache-2.0
//
// C++ hosts: exceptions through libpq and through us, objects that are destroyed late, a runtime
// that must stay the only one.

#include <cxxabi.h>
#include <dlfcn.h>
#include <pthread.h>
#include <unwind.h>

#include <exception>
#include <iostream>
#include <locale>
#include <new>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

constexpr char kNotice[] = "DO $$ BEGIN RAISE NOTICE 'n'; END $$";

struct Late {
  PGconn* conn = nullptr;
  ~Late() {
    if (conn == nullptr) return;
    Say("static object");
    PQfinish(conn);
    PQfinish(PQconnectdb(""));
  }
};
Late late;

struct Guard {
  ~Guard() { Say("guard"); }
};

int ThrowsThroughQuery() {
  PGconn* conn = Connect();
  PQsetNoticeProcessor(
      conn, [](void*, const char*) { throw std::runtime_error("from the callback"); }, nullptr);
  try {
    const Guard guard;
    Query(conn, kNotice);
  } catch (const std::runtime_error& error) {
    Say("caught: %s", error.what());
  }
  return 0;
}

int CurrentException() {
  try {
    throw std::string("mine");
  } catch (...) {
    Work();
    try {
      throw;
    } catch (const std::string& text) {
      Say("%s, %d", text.c_str(), std::uncaught_exceptions());
    }
  }
  return 0;
}

int WhileUnwinding() {
  struct Works {
    ~Works() {
      Say("%d", std::uncaught_exceptions());
      Work();
    }
  };
  try {
    const Works works;
    throw 5;
  } catch (int number) {
    Say("caught %d", number);
  }
  return 0;
}

int NotCaught() {
  std::set_terminate([] {
    Say("%s", abi::__cxa_current_exception_type()->name());
    _exit(3);
  });
  PGconn* conn = Connect();
  PQsetNoticeProcessor(
      conn, [](void*, const char*) { throw 5; }, nullptr);
  Query(conn, kNotice);
  return 1;
}

int ThreadEndsInCallback() {
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        const Guard guard;
        PGconn* conn = Connect();
        PQsetNoticeProcessor(
            conn, [](void*, const char*) { pthread_exit(nullptr); }, nullptr);
        Query(conn, kNotice);
        return nullptr;
      },
      nullptr);
  pthread_join(thread, nullptr);
  Work();
  return 0;
}

int StaticObject() {
  late.conn = Connect();
  return 4;
}

int StackIsWalked() {
  PGconn* conn = Connect();
  static bool found = false;
  PQsetNoticeProcessor(
      conn,
      [](void*, const char*) {
        _Unwind_Backtrace(
            [](_Unwind_Context* context, void*) {
              Dl_info info;
              auto* address = reinterpret_cast<void*>(_Unwind_GetIP(context));
              found = found || (dladdr(address, &info) != 0 && strstr(info.dli_fname, "libc.so"));
              return _URC_NO_REASON;
            },
            nullptr);
      },
      nullptr);
  Query(conn, kNotice);
  Say("down to libc: %d", found);
  Finish(conn);
  return 0;
}

int NewReplacedByHandler() {
  static int asked = 0;
  std::set_new_handler([] {
    if (++asked > 3) throw std::bad_alloc();
  });
  Work();
  try {
    const volatile size_t size = size_t{1} << 60;
    delete[] new char[size];
  } catch (const std::bad_alloc&) {
    Say("bad_alloc after %d", asked);
  }
  return 0;
}

// The streams, locales and type names of the host's libstdc++, beside the one inside of us.
int Runtime() {
  std::cout << "before " << std::locale().name() << std::endl;
  Work();
  std::locale::global(std::locale::classic());
  std::cout << std::regex_match("abc", std::regex("a.c")) << ' ' << typeid(late).name()
            << std::endl;
  try {
    static_cast<void>(std::string("x").at(5));
  } catch (const std::out_of_range&) {
    std::cout << "out of range" << std::endl;
  }
  return 0;
}

int Threads() {
  std::thread([] { Work(); }).join();
  std::exception_ptr error;
  std::thread([&error] {
    try {
      Work();
      throw std::runtime_error("there");
    } catch (...) {
      error = std::current_exception();
    }
  }).join();
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& caught) {
    Say("%s", caught.what());
  }
  return 0;
}

constexpr HostMode kModes[] = {
    {"throws_through_query", ThrowsThroughQuery},
    {"current_exception", CurrentException},
    {"while_unwinding", WhileUnwinding},
    {"not_caught", NotCaught},
    {"thread_ends_in_callback", ThreadEndsInCallback},
    {"static_object", StaticObject},
    {"stack_is_walked", StackIsWalked},
    {"new_handler", NewReplacedByHandler},
    {"runtime", Runtime},
    {"threads", Threads},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
