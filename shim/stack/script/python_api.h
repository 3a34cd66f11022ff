// SPDX-License-Identifier: Apache-2.0
//
// The functions of CPython that a capture calls, found at run time. No header of CPython is needed:
// its types stay opaque, and each function is documented API with the same meaning in all versions
// that are let in (Doc/c-api; the two exceptions are named).

#ifndef PQLEASH_SHIM_STACK_SCRIPT_PYTHON_API_H_
#define PQLEASH_SHIM_STACK_SCRIPT_PYTHON_API_H_

#include <sys/types.h>

namespace pqleash::stack::python {

// PyObject, also as PyFrameObject and PyCodeObject.
struct Object;
struct ThreadState;
struct InterpreterState;

inline constexpr int kOldestMinor = 9;  // PyFrame_GetBack, PyThreadState_GetInterpreter
inline constexpr int kNewestMinor = 14;

// CPython's own names, so that its documentation is found. A call needs the GIL where nothing else
// is said.
#define PQLEASH_PYTHON_FUNCTIONS(F)                                                                \
  /* Without the GIL, and on any thread. */                                                        \
  F(int, Py_IsInitialized, ())                                                                     \
  F(ThreadState*, PyGILState_GetThisThreadState, ())                                               \
  F(int, PyGILState_Ensure, ())                                                                    \
  F(void, PyGILState_Release, (int state))                                                         \
  F(InterpreterState*, PyInterpreterState_Main, ())                                                \
  F(InterpreterState*, PyInterpreterState_Head, ())                                                \
  F(InterpreterState*, PyThreadState_GetInterpreter, (ThreadState * state))                        \
  /* References. */                                                                                \
  F(void, Py_IncRef, (Object * object))                                                            \
  F(void, Py_DecRef, (Object * object))                                                            \
  /* The error indicator; Restore takes the references over. */                                    \
  F(void, PyErr_Fetch, (Object * *type, Object * *value, Object * *traceback))                     \
  F(void, PyErr_Restore, (Object * type, Object * value, Object * traceback))                      \
  F(void, PyErr_Clear, ())                                                                         \
  /* Frames: GetFrame lends its result, the others give a reference. */                            \
  F(Object*, PyEval_GetFrame, ())                                                                  \
  F(Object*, PyFrame_GetBack, (Object * frame))                                                    \
  F(Object*, PyFrame_GetCode, (Object * frame))                                                    \
  F(int, PyFrame_GetLineNumber, (Object * frame))                                                  \
  F(Object*, PyObject_GetAttr, (Object * object, Object * name))                                   \
  /* Text. */                                                                                      \
  F(Object*, PyUnicode_InternFromString, (const char* text))                                       \
  F(const char*, PyUnicode_AsUTF8AndSize, (Object * text, ssize_t * size))                         \
  F(Object*, PyUnicode_AsEncodedString, (Object * text, const char* encoding, const char* errors)) \
  F(int, PyBytes_AsStringAndSize, (Object * bytes, char** data, ssize_t* size))

struct Api {
#define PQLEASH_PYTHON_MEMBER(result, name, parameters) result(*name) parameters;
  PQLEASH_PYTHON_FUNCTIONS(PQLEASH_PYTHON_MEMBER)
#undef PQLEASH_PYTHON_MEMBER

  // Py_IsFinalizing; before 3.13 _Py_IsFinalizing, exported for the same use.
  int (*is_finalizing)();
  // PyThreadState_GetUnchecked; before 3.13 _PyThreadState_UncheckedGet. Until 3.11 the state that
  // holds the GIL, on whichever thread; since 3.12 the state that is attached to this thread.
  ThreadState* (*current_thread_state)();
  // Since 3.10; nullptr before.
  int (*PyGC_Disable)();
  int (*PyGC_Enable)();

  // Where frames are run: _PyEval_EvalFrameDefault (PEP 523).
  const void* evaluator;
  int minor;  // of 3.x
};

// Looks CPython up among what is loaded: in the global scope, as in the executable `python3` and
// what it links, or in a libpython3* that came in with RTLD_LOCAL, as with mod_wsgi and other
// hosts' plug-ins. The first one that is found is kept, and held in memory. False: none, or a
// version or a kind of build that is left alone. Thread-safe.
bool FindApi(void* (*look_up)(void* handle, const char* name));

// What FindApi found; nullptr: nothing yet.
const Api* FoundApi();

}  // namespace pqleash::stack::python

#endif  // PQLEASH_SHIM_STACK_SCRIPT_PYTHON_API_H_
