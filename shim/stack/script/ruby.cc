// SPDX-License-Identifier: Apache-2.0
//
// Ruby (MRI) 2.7 to 3.4.
//
// rb_profile_frames (vm_backtrace.c) is what profilers call from signal handlers: it copies the
// frames of the running thread and allocates nothing. The functions that we ask about each frame
// (label, path, rb_mod_name) hand out strings that exist already. The full label, with the class in
// it, would be made anew for each frame, and a garbage collection in the middle of a connect would
// call the free functions of dead PG::Connection objects, and with them PQfinish. So the class is
// taken from the method entry, whose layout did not change in these versions; and nothing here
// allocates, collects or runs Ruby code. The frames lie on the C stack, where the conservative
// collector would find and pin them, should one of these functions allocate in a future version.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "shim/stack/script/php_perl_memory.h"
#include "shim/stack/script/ruby_php_perl_name.h"
#include "shim/stack/script/ruby_php_perl_symbols.h"
#include "shim/stack/script/script_frames.h"
#include "shim/support/host_state.h"

namespace pqleash::stack {
namespace {

using Value = uintptr_t;
using Id = uintptr_t;

// RBasic::flags (include/ruby/internal/value_type.h, fl_type.h; internal/imemo.h).
constexpr Value kTypeMask = 0x1f;
constexpr Value kClass = 0x02;
constexpr Value kModule = 0x03;
constexpr Value kString = 0x05;
constexpr Value kInternalMemory = 0x1a;
constexpr int kImemoTypeShift = 12;
constexpr Value kImemoTypeMask = 0xf;
constexpr Value kMethodEntry = 6;  // imemo_ment

constexpr Value kTrue = 0x14;  // the same with flonum and before 3.2

// rb_callable_method_entry_t (method.h).
struct MethodEntry {
  Value flags;
  Value defined_class;
  void* definition;
  Id called_id;
  Value owner;
};

struct RubyFunctions {
  int (*native_thread_p)();
  int (*thread_has_gvl_p)();
  void* (*call_with_gvl)(void* (*function)(void*), void* data);
  int (*during_gc)();
  int (*profile_frames)(int start, int limit, Value* frames, int* lines);
  Value (*frame_path)(Value frame);
  Value (*frame_label)(Value frame);
  Value (*frame_singleton_method_p)(Value frame);
  Value (*mod_name)(Value module);
  Value (*attr_get)(Value object, Id id);
  Value (*class_attached_object)(Value singleton);  // 3.2 and up
  Id (*intern)(const char* name);
  Value (*str_length)(Value string);
  char* (*string_value_ptr)(volatile Value* string);
  Value (*protect)(Value (*function)(Value), Value data, int* state);
  Value (*errinfo)();
  void (*set_errinfo)(Value error);
  // Where the main program and its end are run, where the end alone is, and what runs Ruby's code.
  CodeRange run_node;
  CodeRange cleanup;
  CodeRange stop;
  CodeRange exec;
  CodeRange invoke_proc;
  CodeRange proc_call;
  CodeRange proc_call_kw;
  CodeRange eval_command;
  void* const* vm;  // ruby_current_vm_ptr; nullptr from 3.3 on, which may keep it to itself
  // rb_cBasicObject and others, in the order that they are made in.
  static constexpr int kClassCount = 4;
  const Value* classes[kClassCount];

  bool Fill(const Symbols& symbols) {
    const int* version = nullptr;  // int[3]
    if (sizeof(void*) != 8 || !symbols.Get("ruby_api_version", &version)) return false;
    const bool known = (version[0] == 2 && version[1] == 7) || (version[0] == 3 && version[1] <= 4);
    if (!known) return false;
    symbols.Get("rb_class_attached_object", &class_attached_object);
    run_node = symbols.RangeOf("ruby_run_node");
    cleanup = symbols.RangeOf("ruby_cleanup");
    stop = symbols.RangeOf("ruby_stop");
    exec = symbols.RangeOf("rb_vm_exec");
    invoke_proc = symbols.RangeOf("rb_vm_invoke_proc");
    proc_call = symbols.RangeOf("rb_proc_call");
    proc_call_kw = symbols.RangeOf("rb_proc_call_kw");
    eval_command = symbols.RangeOf("rb_eval_cmd_kw");
    const bool may_hide_vm = version[0] == 3 && version[1] >= 3;
    if (!symbols.Get("ruby_current_vm_ptr", &vm) && !may_hide_vm) return false;
    constexpr const char* kClassNames[kClassCount] = {"rb_cBasicObject", "rb_cObject", "rb_cModule",
                                                      "rb_cClass"};
    for (int i = 0; i < kClassCount; ++i) {
      if (!symbols.Get(kClassNames[i], &classes[i])) return false;
    }
    return symbols.Get("ruby_native_thread_p", &native_thread_p) &&
           symbols.Get("ruby_thread_has_gvl_p", &thread_has_gvl_p) &&
           symbols.Get("rb_thread_call_with_gvl", &call_with_gvl) &&
           symbols.Get("rb_during_gc", &during_gc) &&
           symbols.Get("rb_profile_frames", &profile_frames) &&
           symbols.Get("rb_profile_frame_path", &frame_path) &&
           symbols.Get("rb_profile_frame_label", &frame_label) &&
           symbols.Get("rb_profile_frame_singleton_method_p", &frame_singleton_method_p) &&
           symbols.Get("rb_mod_name", &mod_name) && symbols.Get("rb_attr_get", &attr_get) &&
           symbols.Get("rb_intern", &intern) && symbols.Get("rb_str_length", &str_length) &&
           symbols.Get("rb_string_value_ptr", &string_value_ptr) &&
           symbols.Get("rb_protect", &protect) && symbols.Get("rb_errinfo", &errinfo) &&
           symbols.Get("rb_set_errinfo", &set_errinfo);
  }

  bool operator==(const RubyFunctions&) const = default;
};

constinit LoadedInterpreter<RubyFunctions> ruby("libruby");

// Everything that runs with the lock, and none of it with a destructor: an error would end it by
// longjmp, though no further than to our own rb_protect.
struct Capturing {
  const RubyFunctions* functions;
  ScriptSink* sink;

  // 0: a special constant (nil, a Fixnum, a Symbol), which has no flags.
  static Value TypeOf(Value value) {
    constexpr Value kLargestConstant = 0x34;  // Qundef of all versions and then some
    if (value % 8 != 0 || value <= kLargestConstant) return 0;
    return *reinterpret_cast<const Value*>(value) & kTypeMask;
  }

  std::string_view Text(Value string) const {
    if (TypeOf(string) != kString) return {};
    const Value length = functions->str_length(string);
    if (length % 2 == 0) return {};  // no Fixnum
    volatile Value kept = string;
    return {functions->string_value_ptr(&kept), length >> 1};
  }

  // The class whose method a frame runs, as text; empty: not known.
  std::string_view ClassName(Value frame, bool singleton) const {
    if (TypeOf(frame) != kInternalMemory) return {};
    const auto* entry = reinterpret_cast<const MethodEntry*>(frame);
    if (((entry->flags >> kImemoTypeShift) & kImemoTypeMask) != kMethodEntry) return {};
    Value owner = entry->owner;
    if (singleton && TypeOf(owner) == kClass) {
      owner = functions->class_attached_object != nullptr
                  ? functions->class_attached_object(owner)
                  : functions->attr_get(owner, functions->intern("__attached__"));
    }
    if (TypeOf(owner) != kClass && TypeOf(owner) != kModule) return {};
    return Text(functions->mod_name(owner));
  }

  bool Add(Value frame, int line) const {
    const std::string_view file = Text(functions->frame_path(frame));
    // Functions of C have no line of their own, and stand between lines that say enough.
    if (line <= 0 || file.empty()) return true;
    const std::string_view label = Text(functions->frame_label(frame));
    const bool singleton = functions->frame_singleton_method_p(frame) == kTrue;
    const std::string_view class_name = ClassName(frame, singleton);
    if (class_name.empty()) {
      return sink->Add(ledger::kRuby, label, file, static_cast<uint32_t>(line));
    }
    QualifiedName qualified;
    qualified.Append(class_name);
    qualified.Append(singleton ? "." : "#");
    qualified.Append(label);
    return sink->Add(ledger::kRuby, qualified.text(), file, static_cast<uint32_t>(line));
  }

  void Run() const {
    // One call for all: before 3.0 `start` was not obeyed. The innermost come first.
    constexpr int kMaxFrames = 256;
    Value frames[kMaxFrames];
    int lines[kMaxFrames];
    const int count = functions->profile_frames(0, kMaxFrames, frames, lines);
    for (int i = 0; i < count && i < kMaxFrames; ++i) {
      if (!Add(frames[i], lines[i])) return;
    }
  }
};

Value RunProtected(Value capturing) {
  reinterpret_cast<const Capturing*>(capturing)->Run();
  return 0;
}

// Whether the VM is there that the thread belongs to. Ruby 3.3 has no function that can be asked so
// after ruby_cleanup: nearly all of them go through the VM. But the VM takes its heap along
// (rb_objspace_free, gc.c, unmaps the pages), and with it the classes that never go otherwise,
// though the variables that name them stay. So these are looked at: memory that was mapped there
// since begins with zeros, and would have to be filled like four classes and their classes. Classes
// do not move, but for a compaction their pages are unreadable for a while: only with the lock does
// 'no' mean no.
bool VmLives(const RubyFunctions& functions) {
  CheckedMemory memory;
  const auto is_class = [&memory](Value value, Value* of) {
    Value flags = 0;
    return memory.Read(value, &flags) && (flags & kTypeMask) == kClass &&
           memory.Read(value + sizeof(Value), of);
  };
  for (const Value* variable : functions.classes) {
    Value of = 0;
    Value ignored = 0;
    if (!is_class(*variable, &of) || !is_class(of, &ignored)) return false;
  }
  // Before it takes the heap, it takes the thread's context, without which nothing else can be
  // asked. From 3.3 on this function can: it is made for signals that come at any time.
  Value frame = 0;
  int line = 0;
  return functions.profile_frames(0, 1, &frame, &line) > 0;
}

// With the lock held, or in a VM that has gone.
void* RunLocked(void* data) {
  const auto* capturing = static_cast<const Capturing*>(data);
  const RubyFunctions& functions = *capturing->functions;
  if (functions.vm == nullptr && !VmLives(functions)) return nullptr;
  // A free function that connects: the heap is not to be touched, not even to read.
  if (functions.during_gc() != 0) return nullptr;
  Value error = functions.errinfo();
  int state = 0;
  functions.protect(RunProtected, reinterpret_cast<Value>(data), &state);
  if (state != 0) {
    // Not expected: nothing above raises. rb_set_errinfo refuses what is no exception (the inner
    // object of a `throw` on its way), and must not do that through libpq.
    struct Restore {
      const RubyFunctions* functions;
      Value error;
    } restore = {&functions, error};
    functions.protect(
        [](Value pointer) -> Value {
          const auto* what = reinterpret_cast<const Restore*>(pointer);
          what->functions->set_errinfo(what->error);
          return 0;
        },
        reinterpret_cast<Value>(&restore), &state);
  }
  return nullptr;
}

bool Find(LookUp look_up) { return ruby.Find(look_up); }

const void* Code() {
  const RubyFunctions* functions = ruby.Last();
  return functions != nullptr ? reinterpret_cast<const void*>(functions->profile_frames) : nullptr;
}

void Capture(ScriptSink& sink) {
  const ErrnoKeeper errno_keeper;
  const RubyFunctions* functions = ruby.Get();
  if (functions == nullptr) return;
  // nullptr before Init_BareVM and after ruby_vm_destruct (vm.c); what lies in between, at_exit
  // blocks and finalisers among it, runs in a whole VM. Asked first: ruby_native_thread_p reads a
  // thread-specific key that is only made with the VM.
  if (functions->vm != nullptr ? *functions->vm == nullptr : *functions->classes[0] == 0) return;
  if (functions->native_thread_p() == 0) return;
  Capturing capturing = {functions, &sink};
  // ruby-pg connects without the lock. Taking it back is what the driver does itself as soon as the
  // call returns: where other threads are busy, we wait for our turn as it would. Interrupts are
  // not looked at, neither here nor there (thread.c, rb_thread_call_with_gvl).
  if (functions->thread_has_gvl_p() != 0) {
    RunLocked(&capturing);
  } else {
    functions->call_with_gvl(RunLocked, &capturing);
  }
}

// Whether a line of Ruby is running. Below the program lies a frame that has none, and functions of
// C have none either, but are called from lines.
bool RunsALine(const RubyFunctions& functions) {
  constexpr int kInnermost = 32;
  Value frames[kInnermost];
  int lines[kInnermost];
  const int count = functions.profile_frames(0, kInnermost, frames, lines);
  return std::any_of(lines, lines + std::clamp(count, 0, kInnermost),
                     [](int line) { return line > 0; });
}

// The free functions of objects that are left are called by ruby_cleanup (eval.c, by
// rb_objspace_call_finalizer), which the compiler may have put into ruby_run_node, the function
// that ran the program before, and into ruby_stop, which ends the child of a `fork` with a block.
// In the last two no line of the program runs at the end: at_exit blocks and traps are called by
// functions with names, which lie between. In ruby_run_node a line may: not every Ruby gives away
// the name of what runs its code. In a child the lines of the parent's program are still there, and
// tell nothing.
Closing WhoseClose(const Callers& callers) {
  const RubyFunctions* functions = ruby.Get();
  if (functions == nullptr) return Closing::kProgram;
  if (functions->vm != nullptr && *functions->vm == nullptr) return Closing::kProgram;
  const size_t none = callers.Get().size();
  const size_t running =
      callers.Innermost({functions->exec, functions->invoke_proc, functions->proc_call,
                         functions->proc_call_kw, functions->eval_command});
  const size_t stopping = callers.Innermost({functions->cleanup, functions->stop});
  const size_t main = callers.Innermost({functions->run_node});
  if (functions->native_thread_p() == 0) return Closing::kProgram;
  const bool names_known =
      functions->proc_call_kw != CodeRange() && functions->eval_command != CodeRange();
  if (stopping != none && stopping < running && names_known) return Closing::kShutdown;
  if (main == none || running < main) return Closing::kProgram;
  return RunsALine(*functions) ? Closing::kProgram : Closing::kShutdown;
}

}  // namespace

constinit const Interpreter kRuby = {"Ruby", Find, Code, Capture, WhoseClose, ledger::kRuby, true};

}  // namespace pqleash::stack
