// SPDX-License-Identifier: Apache-2.0
//
// PHP 8.0 to 8.4, not thread-safe ("NTS").
//
// zend_fetch_debug_backtrace would give all frames, but it allocates: at the memory_limit that is a
// zend_bailout, a longjmp through libpq's frames and ours, and short of it a garbage collection
// that runs the script's destructors. So nothing is allocated here. The innermost line comes from
// functions that only read (zend_get_executed_lineno and its like, Zend/zend_execute_API.c); the
// frames around it from the chain of zend_execute_data, read in place. Its offsets were the same in
// all of these versions, and where it begins in executor_globals is found out, not assumed: the
// chain counts only if it leads to the function, the file and the line that PHP itself names.

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "shim/stack/script/php_perl_memory.h"
#include "shim/stack/script/ruby_php_perl_name.h"
#include "shim/stack/script/ruby_php_perl_symbols.h"
#include "shim/stack/script/script_frames.h"
#include "shim/support/host_state.h"

namespace pqleash::stack {
namespace {

// struct _zend_execute_data (Zend/zend_compile.h).
constexpr size_t kExecuteDataOpline = 0;
constexpr size_t kExecuteDataFunction = 24;
constexpr size_t kExecuteDataPrevious = 48;
// struct _zend_op.
constexpr size_t kOpLine = 24;
// The head that zend_op_array and zend_internal_function share. The file name comes after it, in
// each version at another place.
constexpr size_t kFunctionType = 0;
constexpr size_t kFunctionName = 8;
constexpr size_t kFunctionScope = 16;
constexpr size_t kFirstFilename = 64;
constexpr size_t kLastFilename = 256;
// struct _zend_class_entry (Zend/zend.h), struct _zend_string (Zend/zend_types.h).
constexpr size_t kClassName = 8;
constexpr size_t kStringLength = 16;
constexpr size_t kStringBytes = 24;
// ZEND_INTERNAL_FUNCTION is 1, ZEND_USER_FUNCTION 2, ZEND_EVAL_CODE 4: see ZEND_USER_CODE.
constexpr uint8_t kUserFunction = 2;
constexpr uint8_t kEvalCode = 4;

// How much of executor_globals is searched; current_execute_data is at 488 in 8.2.
constexpr size_t kMaxGlobalsOffset = 1024;
constexpr int kMaxFrames = 1024;        // whatever the sink says
constexpr int kMaxInternalFrames = 64;  // between two frames of the script

struct PhpFunctions {
  bool (*is_executing)();
  const char* (*executed_filename)();
  void* (*executed_filename_string)();
  uint32_t (*executed_lineno)();
  const char* (*active_function_name)();
  const void* executor_globals;
  const void* execute;
  CodeRange request_shutdown;
  const char* const* sapi_name;  // the first member of sapi_module

  bool Fill(const Symbols& symbols) {
    if (!kKnownMemoryModel) return false;
    const char* (*version)() = nullptr;
    if (!symbols.Get("get_zend_version", &version) || !Known(version())) return false;
    // Thread-safe builds have no executor_globals; should that change, this is how they are told.
    if (symbols.Has("tsrm_get_ls_cache")) return false;
    request_shutdown = symbols.RangeOf("php_request_shutdown");
    symbols.Get("sapi_module", &sapi_name);
    return symbols.Get("zend_is_executing", &is_executing) &&
           symbols.Get("zend_get_executed_filename", &executed_filename) &&
           symbols.Get("zend_get_executed_filename_ex", &executed_filename_string) &&
           symbols.Get("zend_get_executed_lineno", &executed_lineno) &&
           symbols.Get("get_active_function_name", &active_function_name) &&
           symbols.Get("executor_globals", &executor_globals) &&
           symbols.Get("execute_ex", &execute);
  }

  bool operator==(const PhpFunctions&) const = default;

 private:
  // Zend Engine 4.n is PHP 8.n.
  static bool Known(const char* version) {
    constexpr char kEngine[] = "Zend Engine v4.";
    constexpr size_t kSize = sizeof kEngine - 1;
    return version != nullptr && strncmp(version, kEngine, kSize) == 0 && version[kSize] >= '0' &&
           version[kSize] <= '4' && version[kSize + 1] == '.';
  }
};

constinit LoadedInterpreter<PhpFunctions> php("libphp");

// Where they were found to be; 0: not yet. Guesses that each capture checks again.
constinit std::atomic<size_t> guessed_globals_offset = 0;
constinit std::atomic<size_t> guessed_filename_offset = 0;

class Walk {
 public:
  Walk(const PhpFunctions& functions, ScriptSink* sink)
      : sink_(sink),
        globals_(reinterpret_cast<uintptr_t>(functions.executor_globals)),
        line_(functions.executed_lineno()),
        file_(reinterpret_cast<uintptr_t>(functions.executed_filename_string())),
        active_function_(reinterpret_cast<uintptr_t>(functions.active_function_name())) {}

  // False: the chain was not recognised, and nothing was handed on.
  bool Run() {
    if (file_ == 0) return false;
    uintptr_t frame = FindFirstFrame();
    if (frame == 0) return false;
    for (int i = 0; i < kMaxFrames && frame != 0; ++i) {
      uint32_t line = 0;
      ReadLine(frame, &line);
      if (!Add(frame, i == 0 ? line_ : line)) return true;
      uintptr_t previous = 0;
      if (!memory_.Read(frame + kExecuteDataPrevious, &previous)) return true;
      frame = NextScriptFrame(previous);
    }
    return true;
  }

 private:
  uintptr_t FindFirstFrame() {
    const size_t guess = guessed_globals_offset.load(std::memory_order_relaxed);
    if (guess != 0) {
      if (const uintptr_t frame = FirstFrameAt(guess)) return frame;
    }
    for (size_t offset = 0; offset < kMaxGlobalsOffset; offset += sizeof(uintptr_t)) {
      if (const uintptr_t frame = FirstFrameAt(offset)) {
        guessed_globals_offset.store(offset, std::memory_order_relaxed);
        return frame;
      }
    }
    return 0;
  }

  // The innermost frame of the script, if executor_globals has current_execute_data at `offset`.
  uintptr_t FirstFrameAt(size_t offset) {
    uintptr_t current = 0;
    uintptr_t function = 0;
    if (!memory_.Read(globals_ + offset, &current) || current % alignof(void*) != 0 ||
        !memory_.Read(current + kExecuteDataFunction, &function)) {
      return 0;
    }
    uint8_t type = 0;
    uintptr_t name = 0;
    if (!memory_.Read(function + kFunctionType, &type) ||
        !memory_.Read(function + kFunctionName, &name)) {
      return 0;
    }
    // get_active_function_name answers "main" where the running code has no name, and with the
    // bytes of the very string otherwise.
    if (name != 0 && name + kStringBytes != active_function_) return 0;
    const uintptr_t frame = NextScriptFrame(current);
    uint32_t line = 0;
    if (frame == 0 || !ReadLine(frame, &line)) return 0;
    // An exception that is being handled has its line elsewhere (opline_before_exception).
    if (line != line_ && line != 0) return 0;
    return FindFilename(frame) ? frame : 0;
  }

  // `frame` itself, or the nearest one around it, that runs the script's code. 0: none.
  uintptr_t NextScriptFrame(uintptr_t frame) {
    for (int i = 0; i < kMaxInternalFrames && frame != 0; ++i) {
      uintptr_t function = 0;
      if (!memory_.Read(frame + kExecuteDataFunction, &function)) return 0;
      uint8_t type = 0;
      // Without a function: the place-holder below a generator that is being resumed.
      if (function != 0 && !memory_.Read(function + kFunctionType, &type)) return 0;
      if (type == kUserFunction || type == kEvalCode) return frame;
      if (!memory_.Read(frame + kExecuteDataPrevious, &frame)) return 0;
    }
    return 0;
  }

  bool ReadLine(uintptr_t frame, uint32_t* line) {
    uintptr_t op = 0;
    return memory_.Read(frame + kExecuteDataOpline, &op) && memory_.Read(op + kOpLine, line);
  }

  bool FindFilename(uintptr_t frame) {
    uintptr_t function = 0;
    if (!memory_.Read(frame + kExecuteDataFunction, &function)) return false;
    const auto matches = [&](size_t offset) {
      uintptr_t file = 0;
      return memory_.Read(function + offset, &file) && file == file_;
    };
    const size_t guess = guessed_filename_offset.load(std::memory_order_relaxed);
    if (guess != 0 && matches(guess)) {
      filename_offset_ = guess;
      return true;
    }
    for (size_t offset = kFirstFilename; offset < kLastFilename; offset += sizeof(uintptr_t)) {
      if (!matches(offset)) continue;
      filename_offset_ = offset;
      guessed_filename_offset.store(offset, std::memory_order_relaxed);
      return true;
    }
    return false;
  }

  std::string_view ZendString(uintptr_t string) {
    size_t size = 0;
    if (string == 0 || !memory_.Read(string + kStringLength, &size)) return {};
    if (size > CheckedMemory::kMaxText) size = CheckedMemory::kMaxText;
    return memory_.Text(string + kStringBytes, size);
  }

  std::string_view StringAt(uintptr_t address) {
    uintptr_t string = 0;
    return memory_.Read(address, &string) ? ZendString(string) : std::string_view();
  }

  bool Add(uintptr_t frame, uint32_t line) {
    uintptr_t function = 0;
    uint8_t type = 0;
    uintptr_t name = 0;
    uintptr_t scope = 0;
    uintptr_t previous = 0;
    if (!memory_.Read(frame + kExecuteDataFunction, &function) ||
        !memory_.Read(function + kFunctionType, &type) ||
        !memory_.Read(function + kFunctionName, &name) ||
        !memory_.Read(function + kFunctionScope, &scope) ||
        !memory_.Read(frame + kExecuteDataPrevious, &previous)) {
      return false;
    }
    const std::string_view file = StringAt(function + filename_offset_);
    if (name == 0) {
      const std::string_view code = type == kEvalCode ? "{eval}"
                                    : previous == 0   ? "{main}"
                                                      : "{include}";
      return sink_->Add(ledger::kPhp, code, file, line);
    }
    // As PHP's own messages write it: Class::method.
    QualifiedName qualified;
    std::string_view class_name = scope != 0 ? StringAt(scope + kClassName) : std::string_view();
    // A class without a name is called "class@anonymous", NUL, and where it was written.
    if (!class_name.empty()) {
      class_name = {class_name.data(), strnlen(class_name.data(), class_name.size())};
      qualified.Append(class_name);
      qualified.Append("::");
    }
    qualified.Append(ZendString(name));
    return sink_->Add(ledger::kPhp, qualified.text(), file, line);
  }

  ScriptSink* const sink_;
  const uintptr_t globals_;
  const uint32_t line_;
  const uintptr_t file_;
  const uintptr_t active_function_;
  size_t filename_offset_ = 0;
  CheckedMemory memory_;
};

bool Find(LookUp look_up) { return php.Find(look_up); }

const void* Code() {
  const PhpFunctions* functions = php.Last();
  return functions != nullptr ? functions->execute : nullptr;
}

void Capture(ScriptSink& sink) {
  const ErrnoKeeper errno_keeper;
  const PhpFunctions* functions = php.Get();
  if (functions == nullptr) return;
  // This PHP has one interpreter in static variables and no idea of threads; every SAPI runs it on
  // the main thread. A connect on another one (of gRPC, of an extension) is not the script's.
  if (gettid() != getpid()) return;
  // Before the script, after it, and in module shutdown there is no current_execute_data.
  if (!functions->is_executing()) return;
  if (Walk(*functions, &sink).Run()) return;
  const char* file = functions->executed_filename();
  if (file == nullptr || strcmp(file, "[no active file]") == 0) return;
  sink.Add(ledger::kPhp, "", file, functions->executed_lineno());
}

// php_request_shutdown (main/main.c) clears away what a script has left. Shutdown functions and
// destructors that it calls before that are code of the script, which is then executing. On the
// command line there is one request, and its end is the program's; elsewhere PHP closes at the end
// of a request by design, and the process goes on. Persistent connections end after the last
// request, and a script cannot end them: they are not in here.
Closing WhoseClose(const Callers& callers) {
  const PhpFunctions* functions = php.Get();
  if (functions == nullptr || gettid() != getpid() || functions->is_executing()) {
    return Closing::kProgram;
  }
  if (callers.Innermost({functions->request_shutdown}) == callers.Get().size()) {
    return Closing::kProgram;
  }
  const char* sapi = functions->sapi_name != nullptr ? *functions->sapi_name : nullptr;
  return sapi != nullptr && strcmp(sapi, "cli") == 0 ? Closing::kShutdown : Closing::kRequest;
}

}  // namespace

constinit const Interpreter kPhp = {"PHP", Find, Code, Capture, WhoseClose, ledger::kPhp};

}  // namespace pqleash::stack
