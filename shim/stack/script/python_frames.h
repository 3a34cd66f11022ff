// SPDX-License-Identifier: Apache-2.0
//
// A CPython stack, read as memory: nothing of the interpreter is called, no lock is taken, and it
// does not matter who holds the GIL. Everything that is read is checked (types by their addresses,
// strings by their kind, numbers by bounds): what is not what it should be ends the stack.
//
// The thread whose stack it is must not run Python code meanwhile: it is in a call of C, or
// stopped. Then nobody else changes its frames, but for Py_FinalizeEx (Python/pylifecycle.c), which
// frees those of daemon threads without waiting for them; see `Sink`.

#ifndef PQLEASH_SHIM_STACK_SCRIPT_PYTHON_FRAMES_H_
#define PQLEASH_SHIM_STACK_SCRIPT_PYTHON_FRAMES_H_

#include <cstdint>

#include "shim/stack/script/memory.h"
#include "shim/stack/script/python_layout.h"
#include "shim/stack/script/script_frames.h"

namespace pqleash::stack::python {

// An interpreter, where it lies in a process.
struct Runtime {
  Layout layout;
  uintptr_t runtime;    // _PyRuntime
  uintptr_t code_type;  // PyCode_Type, PyUnicode_Type, PyBytes_Type
  uintptr_t text_type;
  uintptr_t bytes_type;
};

// The state of the thread whose `thread_id` (by layout.thread_id, or layout.thread_native_id) is
// `id`, in whichever interpreter; 0: none, or the lists changed while they were read. For threads
// of another process: a thread's own is known to itself.
uintptr_t FindThread(Memory& memory, const Runtime& runtime, uint32_t id_offset, uint64_t id);

// Whether `state` is the state of a thread of the interpreter at `interpreter` (0: of any) that
// calls itself `thread_id`.
bool IsThread(Memory& memory, const Runtime& runtime, uintptr_t state, uintptr_t interpreter,
              uint64_t thread_id);

// Hands the frames of the thread to `sink`, innermost first. A frame that cannot be read is left
// out or ends the stack. What the sink gets was read before it is called: a sink that looks whether
// the interpreter has begun to end, and says no then, never takes what was freed meanwhile. True:
// all that was read was what it should be, to the outermost frame or to where the sink had enough,
// and there was at least one frame with a line: the layout is right. Some 12 KiB of stack.
bool ReadFrames(Memory& memory, const Runtime& runtime, uintptr_t thread_state, ScriptSink& sink);

}  // namespace pqleash::stack::python

#endif  // PQLEASH_SHIM_STACK_SCRIPT_PYTHON_FRAMES_H_
