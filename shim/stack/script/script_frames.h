// SPDX-License-Identifier: Apache-2.0
//
// Frames of interpreted programs: what a capture of one interpreter hands on, and the shape of such
// a capture.
//
// Rules for every interpreter
//  - No linking against it: functions are found at run time (`find`), and one that is missing, or
//  whose version is not
//    known to work, means that the interpreter is left alone. An interpreter that is not in the
//    process costs nothing.
//  - A capture changes nothing that the program could see: no pending exception, no special
//  variable, no errno, no lock
//    that it did not hold before, no signal handler run. It runs on the thread that calls libpq,
//    whether or not the driver has released the interpreter's lock, and not at all where the thread
//    is no thread of the interpreter, or while the interpreter starts or ends.
//  - It is bounded: at most `ScriptSink`'s depth of frames, and text cut by the sink.

#ifndef PQLEASH_SHIM_STACK_SCRIPT_SCRIPT_FRAMES_H_
#define PQLEASH_SHIM_STACK_SCRIPT_SCRIPT_FRAMES_H_

#include <cstdint>
#include <string_view>

#include "shim/ledger/layout.h"
#include "shim/stack/script/callers.h"

namespace pqleash::stack {

// Takes the frames of a capture, innermost first. Views need to live during the call only.
class ScriptSink {
 public:
  // `line`: 1 and up; 0: not known. Bytes as the interpreter has them, not necessarily UTF-8.
  // False: enough, stop.
  virtual bool Add(ledger::Language language, std::string_view function, std::string_view file,
                   uint32_t line) = 0;

 protected:
  ~ScriptSink() = default;
};

// Who is at work where a connection is closed.
enum class Closing : uint8_t {
  kProgram,   // the program, or a collection of what it has let go of
  kShutdown,  // the interpreter, which ends and clears away what the program has left
  kRequest,   // likewise, at the end of a request that is not the end of the program
};
struct Closer {
  Closing closing = Closing::kProgram;
  ledger::Language language = ledger::kNative;  // of the interpreter; not of kProgram
};

// One interpreter.
struct Interpreter {
  const char* name;
  // Looks for its functions among what is loaded now. True: it is here and can be captured. Called
  // again after the dynamic linker has loaded something. `look_up` is the real dlsym (ours is
  // exported).
  bool (*find)(void* (*look_up)(void* handle, const char* name));
  // An address in the code that runs the program's functions, to tell its native frames; valid
  // after `find`.
  const void* (*code)();
  // Hands the running thread's frames to `sink`, or none.
  void (*capture)(ScriptSink& sink);
  // Who closes a connection on the running thread now. Only reads, waits for nobody, and in doubt
  // says kProgram. What the program has asked to be run at its end is the program's own: atexit,
  // at_exit, END, register_shutdown_function, and destructors that are written in its language,
  // where these can be told from the driver's.
  Closing (*closing)(const Callers& callers);
  ledger::Language language;
  // `capture` waits for a lock of the interpreter, where another thread has it.
  bool has_lock = false;
};

extern const Interpreter kPython;
extern const Interpreter kRuby;
extern const Interpreter kPhp;
extern const Interpreter kPerl;

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_SCRIPT_SCRIPT_FRAMES_H_
