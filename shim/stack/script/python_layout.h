// SPDX-License-Identifier: Apache-2.0
//
// Where CPython's private structures keep what a stack is read from. Versions 3.9 to 3.12 have a
// table; since 3.13 a program describes itself (_Py_DebugOffsets, at the begin of _PyRuntime).

#ifndef PQLEASH_SHIM_STACK_SCRIPT_PYTHON_LAYOUT_H_
#define PQLEASH_SHIM_STACK_SCRIPT_PYTHON_LAYOUT_H_

#include <cstdint>

#include "shim/stack/script/memory.h"

namespace pqleash::stack::python {

inline constexpr int kOldestMinor = 9;
inline constexpr int kNewestMinor = 14;

// Offsets in bytes. Builds for 64 bits, with the GIL, without Py_TRACE_REFS.
struct Layout {
  int minor;  // of 3.x
  // _PyRuntimeState, PyInterpreterState
  uint32_t runtime_interpreters;
  uint32_t interpreter_next;
  uint32_t interpreter_threads;
  // PyThreadState. Its frame: the innermost; of 3.11 and 3.12 in what `thread_frame` points to, at
  // `cframe_frame`.
  uint32_t thread_next;
  uint32_t thread_interpreter;
  uint32_t thread_id;         // what pthread_self() says on the thread
  uint32_t thread_native_id;  // what gettid() says there; 0: not kept before 3.11
  uint32_t thread_frame;
  uint32_t cframe_frame;
  // PyFrameObject, since 3.11 _PyInterpreterFrame. The instruction: f_lasti until 3.10, then
  // prev_instr, since 3.13 instr_ptr.
  uint32_t frame_previous;
  uint32_t frame_code;
  uint32_t frame_instruction;
  uint32_t frame_owner;  // since 3.11
  uint32_t frame_line;   // f_lineno, until 3.10
  uint32_t frame_trace;  // f_trace, of 3.9
  // PyCodeObject
  uint32_t code_filename;
  uint32_t code_name;  // since 3.11 the qualified one
  uint32_t code_lines;
  uint32_t code_first_line;
  uint32_t code_bytes;  // co_code_adaptive, since 3.11; co_firsttraceable is 16 bytes before it
  // PyObject, PyUnicodeObject, PyBytesObject
  uint32_t object_type;
  uint32_t text_length;
  uint32_t text_state;
  uint32_t text_ascii;  // size of PyASCIIObject: where the characters are, if all are ASCII
  uint32_t text_wide;   // size of PyCompactUnicodeObject: where they are otherwise
  uint32_t bytes_size;
  uint32_t bytes_data;

  bool through_cframe() const { return minor == 11 || minor == 12; }
};

// Of 3.`minor`, read at `runtime`, the address of _PyRuntime, where the version describes itself.
// False: not known, not described, or described in a way that cannot be.
bool ReadLayout(Memory& memory, int minor, uintptr_t runtime, Layout* layout);

}  // namespace pqleash::stack::python

#endif  // PQLEASH_SHIM_STACK_SCRIPT_PYTHON_LAYOUT_H_
