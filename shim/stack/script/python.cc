// SPDX-License-Identifier: Apache-2.0
//
// Frames of CPython 3.9 to 3.14.
//
// The chain of frames is read with the documented API, and therefore with the GIL. Where the driver
// has released it (psycopg2, ctypes), the capture takes it for some microseconds and releases it
// again; where the driver holds it (Cython's psycopg_c), it just uses it.
//
// What a capture can do to the host, and does not avoid:
//  - It waits for the GIL, like any call that comes back from C. A thread that computes gives it
//    away after sys.getswitchinterval() (5 ms); CPython's queue is not fair, so with several of
//    them it can be a multiple of that. The driver waits once more for the same reason when its
//    connect returns.
//  - It can wait for ever where the host, without us, would not: a host's thread connects with the
//    GIL released and a mutex of its own locked, and another one waits for that mutex with the GIL
//    held. That works only where the mutex is unlocked before the GIL is taken back, and is rare;
//    such a host needs the capture of Python frames switched off.
//  - The same after a fork() in C without PyOS_AfterFork_Child, while another thread held the GIL:
//    nobody is left to release it. CPython cannot be called there either, but libpq can. And until
//    3.11 for a thread that holds the GIL under a second thread state of the same interpreter,
//    which CPython forbids ("more than one thread state", pystate.c) and does not check.
//  - From 3.11 on a frame becomes an object when it is asked for (Python/frame.c,
//    _PyFrame_MakeAndSetFrameObject), is counted by the garbage collector, and is gone when the
//    function returns. The host can see it in gc.get_count().
//
// Reading the frames without the GIL was looked into and rejected. While this thread is in C
// nobody changes them, but (a) all that is documented counts references, which needs the GIL;
// (b) the layouts of thread state and frame are private and differ in each version (only 3.13
// describes its own, in _Py_DebugOffsets), and (c) Py_FinalizeEx frees the thread states and frames
// of daemon threads as soon as the interpreter is marked as finalising (Python/pylifecycle.c,
// _PyThreadState_DeleteExcept), without waiting for them: a daemon thread that connects while the
// program ends would read freed memory. With the GIL it ends, or waits, where the driver would have
// ended or waited as well.
//
// No Python code runs meanwhile: nothing here enters the evaluation loop, which alone runs signal
// handlers, pending calls and trace functions; the attributes that are read are plain members of
// code objects; the errors of the codec that is named here are handled in C; the frames stay alive
// on the stack when our references go; and the one thing that could run finalisers, a garbage
// collection that our frame objects bring about (until 3.11; since 3.12 it is left to the
// evaluation loop), is held back.

#include <string_view>

#include "shim/stack/script/python_api.h"
#include "shim/stack/script/script_frames.h"
#include "shim/support/host_state.h"

namespace pqleash::stack {
namespace {

using python::Api;
using python::Object;

// Whether this thread runs Python code of the main interpreter, and may wait for the GIL.
// PyGILState_Ensure knows that interpreter alone; called under another thread state that holds the
// GIL already it would wait for itself for ever. Needs no GIL.
bool MayEnter(const Api& api) {
  // A thread that enters while the interpreter ends is ended in the middle of it, or hangs.
  if (!api.Py_IsInitialized() || api.is_finalizing()) return false;
  python::ThreadState* own = api.PyGILState_GetThisThreadState();
  if (own == nullptr) return false;  // no thread of Python's: Ensure would make it one
  const python::InterpreterState* main = api.PyInterpreterState_Main();
  if (api.PyThreadState_GetInterpreter(own) != main) return false;

  const python::ThreadState* current = api.current_thread_state();
  if (current != own) {
    if (api.minor >= 12) {
      // This thread's own answer. nullptr: the GIL is released, and `own` is the state that was
      // attached last (pystate.c, bind_gilstate_tstate), thus not one of a sub-interpreter.
      if (current != nullptr) return false;
    } else if (api.PyInterpreterState_Head() != main) {
      // The answer may be another thread's, and `own` is the state that this thread had first: it
      // may be in a sub-interpreter now. The main interpreter is the last in the list; where it is
      // the first as well, there is no other.
      return false;
    }
  }
  return !api.is_finalizing();
}

// The GIL; where this thread holds it already, it keeps it.
class Gil {
 public:
  explicit Gil(const Api& api) : api_(api), state_(api.PyGILState_Ensure()) {}
  ~Gil() { api_.PyGILState_Release(state_); }
  Gil(const Gil&) = delete;
  Gil& operator=(const Gil&) = delete;

 private:
  const Api& api_;
  const int state_;
};

// Puts the program's pending exception aside, and drops what our own calls raised.
class PendingExceptionKeeper {
 public:
  explicit PendingExceptionKeeper(const Api& api) : api_(api) {
    api_.PyErr_Fetch(&type_, &value_, &traceback_);
  }
  ~PendingExceptionKeeper() { api_.PyErr_Restore(type_, value_, traceback_); }
  PendingExceptionKeeper(const PendingExceptionKeeper&) = delete;
  PendingExceptionKeeper& operator=(const PendingExceptionKeeper&) = delete;

 private:
  const Api& api_;
  Object* type_ = nullptr;
  Object* value_ = nullptr;
  Object* traceback_ = nullptr;
};

// Holds the garbage collector back. Nobody sees it: the GIL is not released in between.
class GarbageCollectionPause {
 public:
  explicit GarbageCollectionPause(const Api& api)
      : api_(api), was_enabled_(api.PyGC_Disable != nullptr && api.PyGC_Disable() != 0) {}
  ~GarbageCollectionPause() {
    if (was_enabled_) api_.PyGC_Enable();
  }
  GarbageCollectionPause(const GarbageCollectionPause&) = delete;
  GarbageCollectionPause& operator=(const GarbageCollectionPause&) = delete;

 private:
  const Api& api_;
  const bool was_enabled_;
};

// A reference of ours; may be empty.
class Reference {
 public:
  Reference(const Api& api, Object* object) : api_(api), object_(object) {}
  ~Reference() { Reset(nullptr); }
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;

  Object* get() const { return object_; }
  void Reset(Object* object) {
    if (object_ != nullptr) api_.Py_DecRef(object_);
    object_ = object;
  }

 private:
  const Api& api_;
  Object* object_;
};

// The bytes of an attribute that is a str.
class AttributeText {
 public:
  AttributeText(const Api& api, Object* object, Object* name)
      : api_(api), text_(api, api.PyObject_GetAttr(object, name)), bytes_(api, nullptr) {
    valid_ = text_.get() != nullptr &&
             (ReadUtf8() || Encode("surrogateescape") || Encode("backslashreplace"));
    if (!valid_) api_.PyErr_Clear();
  }

  bool valid() const { return valid_; }
  std::string_view view() const { return view_; }  // while this object lives

 private:
  bool ReadUtf8() {
    ssize_t size = 0;
    const char* data = api_.PyUnicode_AsUTF8AndSize(text_.get(), &size);
    if (data == nullptr) return false;
    view_ = {data, static_cast<size_t>(size)};
    return true;
  }

  // A file name that is not UTF-8 has its odd bytes as lone surrogates (PEP 383): gives the bytes
  // back. Not PyUnicode_EncodeFSDefault: the file system's encoding may be one whose codec is
  // Python code; UTF-8 with these two handlers is done in C (Objects/unicodeobject.c,
  // unicode_encode_utf8).
  bool Encode(const char* errors) {
    api_.PyErr_Clear();
    bytes_.Reset(api_.PyUnicode_AsEncodedString(text_.get(), "utf-8", errors));
    char* data = nullptr;
    ssize_t size = 0;
    if (bytes_.get() == nullptr || api_.PyBytes_AsStringAndSize(bytes_.get(), &data, &size) != 0) {
      return false;
    }
    view_ = {data, static_cast<size_t>(size)};
    return true;
  }

  const Api& api_;
  const Reference text_;
  Reference bytes_;
  std::string_view view_;
  bool valid_ = false;
};

// Names of attributes, made anew for each capture: both are interned already, by the types that
// have them, so this is a look-up, and nothing is left over when the interpreter is finalised and
// initialised again.
struct AttributeNames {
  explicit AttributeNames(const Api& api)
      : function(api, api.PyUnicode_InternFromString(api.minor >= 11 ? "co_qualname" : "co_name")),
        file(api, api.PyUnicode_InternFromString("co_filename")) {}

  bool valid() const { return function.get() != nullptr && file.get() != nullptr; }

  const Reference function;
  const Reference file;
};

// False: the sink wants no more. A frame that cannot be read is left out.
bool AddFrame(const Api& api, const AttributeNames& names, Object* frame, ScriptSink& sink) {
  const Reference code(api, api.PyFrame_GetCode(frame));
  if (code.get() == nullptr) return true;
  const AttributeText function(api, code.get(), names.function.get());
  const AttributeText file(api, code.get(), names.file.get());
  if (!function.valid() || !file.valid()) return true;
  const int line = api.PyFrame_GetLineNumber(frame);  // -1 or 0 where code has no line
  return sink.Add(ledger::kPython, function.view(), file.view(),
                  line > 0 ? static_cast<uint32_t>(line) : 0);
}

void AddFrames(const Api& api, ScriptSink& sink) {
  const AttributeNames names(api);
  if (!names.valid()) return;
  Object* innermost = api.PyEval_GetFrame();
  if (innermost == nullptr) return;
  api.Py_IncRef(innermost);
  Reference frame(api, innermost);
  while (frame.get() != nullptr && AddFrame(api, names, frame.get(), sink)) {
    frame.Reset(api.PyFrame_GetBack(frame.get()));
  }
}

bool Find(void* (*look_up)(void* handle, const char* name)) { return python::FindApi(look_up); }

const void* Code() {
  const Api* api = python::FoundApi();
  return api != nullptr ? api->evaluator : nullptr;
}

void Capture(ScriptSink& sink) {
  const Api* api = python::FoundApi();
  if (api == nullptr) return;
  // Waiting for the GIL is a cancellation point, and changes errno.
  const HostStateKeeper host_state;
  if (!MayEnter(*api)) return;
  const Gil gil(*api);
  const PendingExceptionKeeper pending_exception(*api);
  const GarbageCollectionPause garbage_collection(*api);
  AddFrames(*api, sink);
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
