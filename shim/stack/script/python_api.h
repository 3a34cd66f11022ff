// SPDX-License-Identifier: Apache-2.0
//
// What a capture needs of CPython beside its frames, found at run time: functions that only read
// (no GIL, no lock, no reference), and the addresses of its variables and types. No header of
// CPython is needed: its types stay opaque.

#ifndef PQLEASH_SHIM_STACK_SCRIPT_PYTHON_API_H_
#define PQLEASH_SHIM_STACK_SCRIPT_PYTHON_API_H_

#include "shim/stack/script/python_frames.h"

namespace pqleash::stack::python {

struct ThreadState;
struct InterpreterState;

// CPython's own names, so that its documentation is found. None needs the GIL, and each can be
// called on any thread.
#define PQLEASH_PYTHON_FUNCTIONS(F)                  \
  F(int, Py_IsInitialized, ())                       \
  F(ThreadState*, PyGILState_GetThisThreadState, ()) \
  F(InterpreterState*, PyInterpreterState_Main, ())  \
  F(InterpreterState*, PyInterpreterState_Head, ())

struct Api {
#define PQLEASH_PYTHON_MEMBER(result, name, parameters) result(*name) parameters;
  PQLEASH_PYTHON_FUNCTIONS(PQLEASH_PYTHON_MEMBER)
#undef PQLEASH_PYTHON_MEMBER

  // Py_IsFinalizing; before 3.13 _Py_IsFinalizing, exported for the same use.
  int (*is_finalizing)();
  // PyThreadState_GetUnchecked; before 3.13 _PyThreadState_UncheckedGet. Until 3.11 the state that
  // holds the GIL, on whichever thread; since 3.12 the state that is attached to this thread.
  ThreadState* (*current_thread_state)();
  // Where frames are run: _PyEval_EvalFrameDefault (PEP 523).
  const void* evaluator;
  Runtime runtime;
  int minor;  // of 3.x
};

// Looks CPython up among what is loaded: in the global scope, as in the executable `python3` and
// what it links, or in a libpython3* that came in with RTLD_LOCAL, as with mod_wsgi and other
// hosts' plug-ins. The first one that is found is kept, and held in memory. False: none, or a
// version or a kind of build whose frames cannot be read. Thread-safe.
bool FindApi(void* (*look_up)(void* handle, const char* name));

// What FindApi found; nullptr: nothing yet.
const Api* FoundApi();

}  // namespace pqleash::stack::python

#endif  // PQLEASH_SHIM_STACK_SCRIPT_PYTHON_API_H_
