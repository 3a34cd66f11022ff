// SPDX-License-Identifier: Apache-2.0
//
// Frames of CPython 3.9 to 3.14, read as memory (python_frames.h): no call into the interpreter but
// for functions that read a variable, no GIL, no reference, and so nothing that a program could see
// or wait for. A host may connect without the GIL, with a mutex of its own locked, while another of
// its threads waits for that mutex with the GIL held: a capture that took the GIL would wait for
// ever.
//
// While this thread is in C nobody changes its frames, and what hangs on them is alive. The
// exception is Py_FinalizeEx (Python/pylifecycle.c), which frees the frames of daemon threads as
// soon as the interpreter is marked as finalising, without waiting for them: the mark is looked at
// after each frame has been read and before it is handed on, and reads of what has been unmapped
// fail (own_memory.h).
//
// Frames are those of the main interpreter: until 3.11 a thread that has released the GIL does not
// know in which interpreter it was.

#include <pthread.h>
#include <sys/syscall.h>

#include <atomic>

#include "shim/stack/script/own_memory.h"
#include "shim/stack/script/python_api.h"
#include "shim/stack/script/python_frames.h"
#include "shim/stack/script/script_frames.h"
#include "shim/support/host_state.h"
#include "shim/support/raw_syscall.h"

namespace pqleash::stack {
namespace {

using python::Api;

// A stack has been read with reads that cannot fault, and all of it was what it should be.
constinit std::atomic<bool> layout_proven = false;

// Whether this is the process's first thread (of a forked child its only one), which is the one
// that ends the interpreter.
bool IsFirstThread() {
  static constinit std::atomic<uintptr_t> first = 0;
  const auto self = static_cast<uintptr_t>(pthread_self());
  if (first.load(std::memory_order_relaxed) == self) return true;
  if (RawSyscall(SYS_gettid, 0) != RawSyscall(SYS_getpid, 0)) return false;
  first.store(self, std::memory_order_relaxed);
  return true;
}

struct OwnThread {
  // 0: this thread runs no Python code of the main interpreter, or not for certain.
  uintptr_t state;
  uintptr_t interpreter;
  bool in_place;  // nobody frees anything of it meanwhile
};

OwnThread FindOwnThread(const Api& api) {
  if (!api.Py_IsInitialized() || api.is_finalizing()) return {};
  const python::ThreadState* own = api.PyGILState_GetThisThreadState();
  if (own == nullptr) return {};  // no thread of Python's
  const python::InterpreterState* main = api.PyInterpreterState_Main();
  const python::ThreadState* current = api.current_thread_state();
  if (current != own) {
    if (api.minor >= 12) {
      // This thread's own answer. nullptr: the GIL is released, and `own` is the state that was
      // attached last (pystate.c, bind_gilstate_tstate), thus not one of a sub-interpreter.
      if (current != nullptr) return {};
    } else if (api.PyInterpreterState_Head() != main) {
      // The answer may be another thread's, and `own` is the state that this thread had first: it
      // may be in a sub-interpreter now. The main interpreter is the last in the list; where it is
      // the first as well, there is no other.
      return {};
    }
  }
  // With the GIL held, nobody else ends the interpreter.
  const bool in_place =
      layout_proven.load(std::memory_order_relaxed) && (current == own || IsFirstThread());
  return {reinterpret_cast<uintptr_t>(own), reinterpret_cast<uintptr_t>(main), in_place};
}

// Takes nothing from the moment on when the interpreter ends.
class UntilTheEnd final : public ScriptSink {
 public:
  UntilTheEnd(const Api& api, ScriptSink& sink) : api_(api), sink_(sink) {}
  bool Add(ledger::Language language, std::string_view function, std::string_view file,
           uint32_t line) override {
    return !api_.is_finalizing() && sink_.Add(language, function, file, line);
  }

 private:
  const Api& api_;
  ScriptSink& sink_;
};

bool Find(void* (*look_up)(void* handle, const char* name)) { return python::FindApi(look_up); }

const void* Code() {
  const Api* api = python::FoundApi();
  return api != nullptr ? api->evaluator : nullptr;
}

void Capture(ScriptSink& sink) {
  const Api* api = python::FoundApi();
  if (api == nullptr) return;
  const ErrnoKeeper errno_keeper;
  const OwnThread own = FindOwnThread(*api);
  if (own.state == 0) return;
  OwnMemory memory(own.in_place);
  if (!python::IsThread(memory, api->runtime, own.state, own.interpreter,
                        static_cast<uint64_t>(pthread_self()))) {
    return;
  }
  UntilTheEnd until_the_end(*api, sink);
  if (python::ReadFrames(memory, api->runtime, own.state, until_the_end) && !own.in_place)
    layout_proven.store(true, std::memory_order_relaxed);
}

// Objects that are left are cleared away by Py_FinalizeEx (Python/pylifecycle.c) after the exit
// handlers, whose closes are the program's, and with the flag up that is read here. The flag stays
// up when the interpreter has gone, until it is initialised again: but then the thread has no state
// any more, and neither has a thread that is not Python's. Both are plain reads, without the GIL
// (psycopg2 has released it).
Closing WhoseClose(const Callers&) {
  const Api* api = python::FoundApi();
  if (api == nullptr || !api->is_finalizing()) return Closing::kProgram;
  return api->PyGILState_GetThisThreadState() != nullptr ? Closing::kShutdown : Closing::kProgram;
}

}  // namespace

constinit const Interpreter kPython = {"python", Find, Code, Capture, WhoseClose, ledger::kPython};

}  // namespace pqleash::stack
