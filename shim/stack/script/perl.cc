// SPDX-License-Identifier: Apache-2.0
//
// Perl 5.30 to 5.42, with threads (as Debian and Red Hat build it) and without.
//
// Of the ways to ask perl itself, Perl_mess_sv makes a scalar and may die for want of memory, and
// evaluating `caller` runs Perl code: it would meet $SIG{__DIE__}, the debugger and pending
// signals. Perl_caller_cx (pp_ctl.c), the function behind `caller`, only reads; it gives the
// contexts of subs and evals across all stacks (sort blocks, tied variables, DESTROY, signal
// handlers). What hangs on a context (COP, CV, GV, names) is read in place. The layouts were the
// same in these versions where nothing else is said; each pointer is looked at only on readable
// pages, and each object by its type, so that one that was freed, or a perl built in a way that we
// do not know, shows as missing and not as a crash.

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string_view>

#include "shim/stack/script/php_perl_memory.h"
#include "shim/stack/script/ruby_php_perl_name.h"
#include "shim/stack/script/ruby_php_perl_symbols.h"
#include "shim/stack/script/script_frames.h"
#include "shim/support/host_state.h"

namespace pqleash::stack {
namespace {

// struct interpreter (intrpvar.h): curcop, curstack, curstackinfo follow each other; the first is
// at 208 in 5.36.
constexpr size_t kMaxCopOffset = 512;
constexpr size_t kInterpreterOp = 8;  // PL_op, the second of all
constexpr size_t kSaveStack = 40;     // PL_savestack, an array of words, and how many are in use
constexpr size_t kSaveStackSize = 48;
// PERL_SI (cop.h).
constexpr size_t kStackInfoStack = 0;
constexpr size_t kStackInfoContexts = 8;
constexpr size_t kStackInfoPrevious = 16;
constexpr size_t kStackInfoContext = 32;  // index of the innermost in si_cxstack; -1: none
// PERL_CONTEXT of subs and evals (cop.h).
constexpr size_t kContextType = 0;
constexpr size_t kContextU16 = 2;
constexpr size_t kContextOldCop = 16;
constexpr size_t kContextReturnOp = 48;  // of subs, formats and evals alike
constexpr size_t kContextSub = 72;
constexpr size_t kContextSubOlder = 64;  // before block_sub had old_cxsubix
constexpr uint8_t kContextTypeMask = 0xf;
constexpr uint8_t kSub = 9;
constexpr uint8_t kFormat = 10;
constexpr uint8_t kEval = 11;
constexpr int kOldOpTypeShift = 7;
// COP (op.h's BASEOP, then cop.h).
constexpr size_t kOpNext = 0;
constexpr size_t kOpSibling = 8;  // or the parent, at the last one
constexpr size_t kOpTarget = 24;
constexpr size_t kOpType = 32;
constexpr uint16_t kOpTypeMask = 0x1ff;
constexpr uint16_t kOpMoreSiblings = 1 << 14;  // in the word of the type
constexpr size_t kOpFlags = 34;
constexpr uint8_t kOpKids = 4;
constexpr size_t kOpFirst = 40;
constexpr size_t kCopLine = 36;
constexpr size_t kCopFile = 48;  // char*; without threads GV*
// SV, XPVCV, XPVGV, XPVHV, HEK (sv.h, cv.h, gv.h, hv.h).
constexpr size_t kSvAny = 0;
constexpr size_t kSvFlags = 12;
constexpr size_t kSvArray = 16;
constexpr uint32_t kSvTypeMask = 0xff;
constexpr uint32_t kGlob = 9;
constexpr uint32_t kHash = 12;
constexpr uint32_t kCode = 13;
constexpr uint32_t kFormatCode = 14;
constexpr size_t kCodeStash = 32;
constexpr size_t kCodeGlob = 56;  // or its name, if it is a named one without a glob
constexpr size_t kCodeFlags = 92;
constexpr uint32_t kCodeNamed = 0x8000;
constexpr size_t kGlobName = 32;
constexpr size_t kGlobStash = 40;
constexpr size_t kHashMax = 24;
constexpr size_t kHashAux = 32;  // since 5.36; before: behind the array
constexpr size_t kAuxName = 0;
constexpr size_t kAuxNameCount = 28;
constexpr size_t kHekLength = 4;
constexpr size_t kHekBytes = 8;

struct OpNumbers {
  uint16_t nextstate;
  uint16_t dbstate;
  uint16_t entertry;
  uint16_t entereval;
  uint16_t require;
  uint16_t dofile;
  uint16_t entersub;
  uint16_t leave;

  bool operator==(const OpNumbers&) const = default;

  // They change from version to version. False: not all are there.
  bool Fill(const char* const* names) {
    struct {
      const char* name;
      uint16_t* number;
    } const wanted[] = {{"nextstate", &nextstate}, {"dbstate", &dbstate}, {"entertry", &entertry},
                        {"entereval", &entereval}, {"require", &require}, {"dofile", &dofile},
                        {"entersub", &entersub},   {"leave", &leave}};
    size_t found = 0;
    // "freed" ends the table (opcode.h).
    for (uint16_t i = 0; i < kOpTypeMask && strcmp(names[i], "freed") != 0; ++i) {
      for (const auto& op : wanted) {
        if (strcmp(names[i], op.name) != 0) continue;
        *op.number = i;
        ++found;
      }
    }
    return found == std::size(wanted);
  }
};

struct PerlFunctions {
  int minor;
  OpNumbers ops;
  void* const* first_interpreter;   // PL_curinterp
  bool threads;                     // USE_ITHREADS
  const pthread_key_t* thread_key;  // PL_thr_key, with threads
  void* (*get_specific)(pthread_key_t);
  const uintptr_t* global_cop;  // PL_curcop, where the interpreter is no struct
  const uintptr_t* global_op;   // PL_op, likewise
  const void* (*caller_cx)(void*, int, const void**);  // of a struct
  const void* (*global_caller_cx)(int, const void**);  // of no struct
  const void* runops;
  // Where the program is run, where it is left by `exit` or `die`, and where its end is.
  CodeRange run;
  CodeRange my_exit;
  CodeRange my_failure_exit;
  CodeRange destruct;
  CodeRange runops_standard;
  CodeRange runops_debug;
  // Variables, where the interpreter is no struct.
  const uintptr_t* global_stack_info;
  const uintptr_t* global_save_stack;
  const int32_t* global_save_stack_size;

  bool Fill(const Symbols& symbols) {
    if (!kKnownMemoryModel) return false;
    const uint8_t* revision = nullptr;
    const uint8_t* version = nullptr;
    const char* const* op_names = nullptr;
    if (!symbols.Get("PL_revision", &revision) || !symbols.Get("PL_version", &version) ||
        *revision != 5 || *version < 30 || *version > 42 || *version % 2 != 0 ||
        !symbols.Get("PL_op_name", &op_names) || !ops.Fill(op_names)) {
      return false;
    }
    minor = *version;
    // Where Perl_set_context (util.c) puts the thread's interpreter in all versions, for the sake
    // of C++, also those with a variable of the thread (PL_current_context, 5.36 and up), some of
    // which have no Perl_get_context.
    threads = symbols.Get("PL_thr_key", &thread_key);
    if (threads && !symbols.Get("pthread_getspecific", &get_specific)) return false;
    // Without MULTIPLICITY its variables are global, and functions take no interpreter.
    if (symbols.Get("PL_curcop", &global_cop)) {
      if (!symbols.Get("Perl_caller_cx", &global_caller_cx)) return false;
      symbols.Get("PL_op", &global_op);
      symbols.Get("PL_curstackinfo", &global_stack_info);
      symbols.Get("PL_savestack", &global_save_stack);
      symbols.Get("PL_savestack_ix", &global_save_stack_size);
    } else if (!symbols.Get("Perl_caller_cx", &caller_cx)) {
      return false;
    }
    run = symbols.RangeOf("perl_run");
    my_exit = symbols.RangeOf("Perl_my_exit");
    my_failure_exit = symbols.RangeOf("Perl_my_failure_exit");
    destruct = symbols.RangeOf("perl_destruct");
    runops_standard = symbols.RangeOf("Perl_runops_standard");
    runops_debug = symbols.RangeOf("Perl_runops_debug");
    return symbols.Get("PL_curinterp", &first_interpreter) &&
           symbols.Get("Perl_runops_standard", &runops);
  }

  bool operator==(const PerlFunctions&) const = default;
};

constinit LoadedInterpreter<PerlFunctions> perl("libperl");

// Where PL_curcop was found in the interpreter; 0: not yet. A guess that each capture checks again.
constinit std::atomic<size_t> guessed_cop_offset = 0;

class Walk {
 public:
  Walk(const PerlFunctions& functions, void* interpreter, ScriptSink* sink)
      : functions_(functions), ops_(functions.ops), interpreter_(interpreter), sink_(sink) {}

  void Run() {
    uintptr_t cop = functions_.global_cop != nullptr ? *functions_.global_cop : FindCop();
    // During compilation, and once perl_destruct has begun to take the program apart, PL_curcop is
    // PL_compiling, which is no statement.
    if (!IsStatement(cop)) return;
    uintptr_t op = 0;
    if (functions_.global_cop == nullptr) {
      memory_.Read(reinterpret_cast<uintptr_t>(interpreter_) + kInterpreterOp, &op);
    } else if (functions_.global_op != nullptr) {
      op = *functions_.global_op;
    }
    cop = ClosestCop(cop, op);
    for (int count = 0; count < kMaxFrames; ++count) {
      const void* sub = nullptr;
      const auto context = reinterpret_cast<uintptr_t>(ContextOf(count, &sub));
      if (context == 0) {
        Add("(main)", cop);
        return;
      }
      uint8_t type = 0;
      uint16_t u16 = 0;
      uintptr_t outer = 0;
      uintptr_t return_op = 0;
      if (!memory_.Read(context + kContextType, &type) ||
          !memory_.Read(context + kContextU16, &u16) ||
          !memory_.Read(context + kContextOldCop, &outer) ||
          !memory_.Read(context + kContextReturnOp, &return_op)) {
        return;
      }
      type &= kContextTypeMask;
      uint16_t made_by = ops_.entersub;
      if (type == kSub || type == kFormat) {
        if (!AddSub(reinterpret_cast<uintptr_t>(sub), cop)) return;
      } else if (type == kEval) {
        made_by = u16 >> kOldOpTypeShift;
        // eval {} and try {} are no code of their own: what is around them runs this line.
        const char* what = made_by == ops_.entereval ? "(eval)"
                           : made_by == ops_.require ? "(require)"
                           : made_by == ops_.dofile  ? "(do)"
                                                     : nullptr;
        if (what == nullptr) continue;
        if (!Add(what, cop)) return;
      } else {
        return;
      }
      cop = IsStatement(outer) ? ClosestCopBefore(outer, return_op, made_by) : outer;
    }
  }

 private:
  // Perl_caller_cx begins at the innermost each time: no more than a ledger would keep.
  static constexpr int kMaxFrames = 256;
  static constexpr int kMaxOps = 4000;  // that one capture looks at to find lines

  // Under the debugger each sub is called by DB::sub: then the context is that one's, which knows
  // where the call was, and `*sub` the sub's own. Otherwise they are the same.
  const void* ContextOf(int count, const void** sub) const {
    return functions_.global_cop != nullptr ? functions_.global_caller_cx(count, sub)
                                            : functions_.caller_cx(interpreter_, count, sub);
  }

  uintptr_t FindCop() {
    const auto interpreter = reinterpret_cast<uintptr_t>(interpreter_);
    const size_t guess = guessed_cop_offset.load(std::memory_order_relaxed);
    if (guess != 0) {
      if (const uintptr_t cop = CopAt(interpreter + guess)) return cop;
    }
    for (size_t offset = sizeof(void*); offset < kMaxCopOffset; offset += sizeof(void*)) {
      if (const uintptr_t cop = CopAt(interpreter + offset)) {
        guessed_cop_offset.store(offset, std::memory_order_relaxed);
        return cop;
      }
    }
    return 0;
  }

  // The running statement, if `address` holds PL_curcop, PL_curstack and PL_curstackinfo: the last
  // two belong together, and that is how they are told from their neighbours.
  uintptr_t CopAt(uintptr_t address) {
    uintptr_t cop = 0;
    uintptr_t stack = 0;
    uintptr_t info = 0;
    uintptr_t stack_of_info = 0;
    if (!memory_.Read(address, &cop) || !memory_.Read(address + 8, &stack) ||
        !memory_.Read(address + 16, &info) || stack == 0 ||
        !memory_.Read(info + kStackInfoStack, &stack_of_info) || stack_of_info != stack ||
        !IsStatement(cop) || !ContextLiesIn(info)) {
      return 0;
    }
    return cop;
  }

  // Perl's own idea of the innermost sub lies in a stack of contexts that we can reach as well.
  bool ContextLiesIn(uintptr_t info) {
    constexpr int kMaxStacks = 64;
    constexpr uintptr_t kMaxBytes = 64 << 20;
    uintptr_t contexts = 0;
    if (!memory_.Read(info + kStackInfoContexts, &contexts) || contexts == 0) return false;
    const void* sub = nullptr;
    const auto context = reinterpret_cast<uintptr_t>(ContextOf(0, &sub));
    if (context == 0) return true;
    for (int i = 0; i < kMaxStacks && info != 0; ++i) {
      if (!memory_.Read(info + kStackInfoContexts, &contexts)) return false;
      if (context >= contexts && context - contexts < kMaxBytes) return true;
      if (!memory_.Read(info + kStackInfoPrevious, &info)) return false;
    }
    return false;
  }

  bool IsStatement(uintptr_t cop) {
    uint16_t type = 0;
    if (cop == 0 || !memory_.Read(cop + kOpType, &type)) return false;
    type &= kOpTypeMask;
    return type == ops_.nextstate || type == ops_.dbstate;
  }

  // Blocks of one statement have no statement of their own at run time: without this, a connect in
  // a branch of an `if` would get the line of the `if`. As Perl_closest_cop (util.c), which
  // messages and `caller` use: looks for an op below `cop`, and for the last statement that was
  // optimised away before it.
  uintptr_t ClosestCop(uintptr_t cop, uintptr_t op) {
    Search search = {op, 0, 0, 0};
    return Find(cop, &search);
  }

  // The same, where only the op after the wanted one is known. Perl takes the first that goes on
  // there, and so gives all branches of an `if` the line of one. Here it has to be an op of the
  // kind that made the context, and the only such one; otherwise the line of the `if` has to do.
  uintptr_t ClosestCopBefore(uintptr_t cop, uintptr_t return_op, uint16_t type) {
    Search search = {0, return_op, type, 0};
    return Find(cop, &search);
  }

  struct Search {
    uintptr_t op;    // wanted, or
    uintptr_t next;  // what the wanted one goes on at, and
    uint16_t type;   // its type
    uintptr_t found;
  };

  uintptr_t Find(uintptr_t cop, Search* search) {
    const uintptr_t first = Sibling(cop);
    if (first == 0 || (search->op == 0 && search->next == 0)) return cop;
    return FindIn(cop, first, search, 0) && search->found != 0 ? search->found : cop;
  }

  // False: too much, not readable, or more than one.
  bool FindIn(uintptr_t cop, uintptr_t tree, Search* search, int depth) {
    constexpr int kMaxDepth = 128;
    uint16_t type = 0;
    uint8_t flags = 0;
    if (depth > kMaxDepth || ++ops_seen_ > kMaxOps || !memory_.Read(tree + kOpType, &type) ||
        !memory_.Read(tree + kOpFlags, &flags)) {
      return false;
    }
    uintptr_t next = 0;
    if (search->op != 0 ? tree == search->op
                        : (type & kOpTypeMask) == search->type &&
                              memory_.Read(tree + kOpNext, &next) && next == search->next) {
      if (search->found != 0 && search->found != cop) return false;
      search->found = cop;
    }
    uintptr_t kid = 0;
    if ((flags & kOpKids) == 0) return true;
    if (!memory_.Read(tree + kOpFirst, &kid)) return false;
    for (; kid != 0; kid = Sibling(kid)) {
      uintptr_t target = 0;
      // A null op keeps in its target what it was.
      if (memory_.Read(kid + kOpType, &type) && (type & kOpTypeMask) == 0 &&
          memory_.Read(kid + kOpTarget, &target) && target == ops_.nextstate) {
        cop = kid;
      }
      if (!FindIn(cop, kid, search, depth + 1)) return false;
      if (search->op != 0 && search->found != 0) return true;
    }
    return true;
  }

  uintptr_t Sibling(uintptr_t op) {
    uint16_t type = 0;
    uintptr_t sibling = 0;
    if (!memory_.Read(op + kOpType, &type) || (type & kOpMoreSiblings) == 0) return 0;
    memory_.Read(op + kOpSibling, &sibling);
    return sibling;
  }

  bool HasType(uintptr_t sv, uint32_t type) {
    uint32_t flags = 0;
    return sv != 0 && memory_.Read(sv + kSvFlags, &flags) && (flags & kSvTypeMask) == type;
  }

  // A name in the shared string table, or empty.
  std::string_view Name(uintptr_t hek) {
    int32_t length = 0;
    if (hek == 0 || !memory_.Read(hek + kHekLength, &length) || length <= 0) return {};
    // A NUL ends each; one that was freed and used for something else hardly has it there.
    const auto size = static_cast<size_t>(length);
    const std::string_view name = memory_.Text(hek + kHekBytes, size + 1);
    if (name.empty() || name.back() != '\0') return {};
    return {name.data(), size};
  }

  std::string_view PackageName(uintptr_t stash) {
    uintptr_t body = 0;
    if (!HasType(stash, kHash) || !memory_.Read(stash + kSvAny, &body)) return {};
    uintptr_t aux = body + kHashAux;
    if (functions_.minor < 36) {
      uintptr_t array = 0;
      size_t max = 0;
      if (!memory_.Read(stash + kSvArray, &array) || !memory_.Read(body + kHashMax, &max)) {
        return {};
      }
      aux = array + (max + 1) * sizeof(void*);
    }
    uintptr_t name = 0;
    int32_t count = 0;
    if (!memory_.Read(aux + kAuxName, &name) || !memory_.Read(aux + kAuxNameCount, &count)) {
      return {};
    }
    // Of several names the first is the one it was made with.
    if (count != 0 && !memory_.Read(name, &name)) return {};
    return Name(name);
  }

  bool AddSub(uintptr_t context, uintptr_t cop) {
    uintptr_t code = 0;
    uintptr_t body = 0;
    bool found = false;
    for (const size_t offset : {kContextSub, kContextSubOlder}) {
      found = memory_.Read(context + offset, &code) &&
              (HasType(code, kCode) || HasType(code, kFormatCode));
      if (found) break;
    }
    uint32_t flags = 0;
    uintptr_t glob = 0;
    uintptr_t stash = 0;
    if (!found || !memory_.Read(code + kSvAny, &body) || !memory_.Read(body + kCodeFlags, &flags) ||
        !memory_.Read(body + kCodeGlob, &glob)) {
      return Add("", cop);
    }
    // As Perl_cv_name: the name of the glob, or its own one and the package that it was compiled
    // in.
    std::string_view name;
    if ((flags & kCodeNamed) != 0) {
      name = Name(glob);
      memory_.Read(body + kCodeStash, &stash);
    } else if (HasType(glob, kGlob) && memory_.Read(glob + kSvAny, &body)) {
      uintptr_t hek = 0;
      if (memory_.Read(body + kGlobName, &hek)) name = Name(hek);
      memory_.Read(body + kGlobStash, &stash);
    }
    const std::string_view package = PackageName(stash);
    QualifiedName qualified;
    if (!package.empty() && !name.empty()) {
      qualified.Append(package);
      qualified.Append("::");
    }
    qualified.Append(name);
    return Add(qualified.text(), cop);
  }

  bool Add(std::string_view function, uintptr_t cop) {
    // 0xffffffff is NOLINE.
    uint32_t line = 0;
    if (!memory_.Read(cop + kCopLine, &line) || line == UINT32_MAX) line = 0;
    return sink_->Add(ledger::kPerl, function, File(cop), line);
  }

  std::string_view File(uintptr_t cop) {
    uintptr_t file = 0;
    if (!memory_.Read(cop + kCopFile, &file) || file == 0) return {};
    if (functions_.threads) return memory_.CString(file);
    // The glob of a file is called "_<" and the name of the file (gv_fetchfile_flags, gv.c).
    uintptr_t body = 0;
    uintptr_t hek = 0;
    if (!HasType(file, kGlob) || !memory_.Read(file + kSvAny, &body) ||
        !memory_.Read(body + kGlobName, &hek)) {
      return {};
    }
    const std::string_view name = Name(hek);
    if (name.size() <= 2) return {};
    return {name.data() + 2, name.size() - 2};
  }

  const PerlFunctions& functions_;
  const OpNumbers& ops_;
  void* const interpreter_;
  ScriptSink* const sink_;
  CheckedMemory memory_;
  int ops_seen_ = 0;
};

// Whether the program is leaving its outermost block: then its last op, whose next there is none
// of, stands on the save stack below the call of a destructor (SAVEOP in Perl_call_sv, perl.c).
bool LeavesProgram(const PerlFunctions& functions, void* interpreter) {
  constexpr uintptr_t kMaxWords = 1024;  // the outermost ones: all others have been left before
  CheckedMemory memory;
  uintptr_t words = 0;
  int32_t size = 0;
  if (functions.global_cop != nullptr) {
    if (functions.global_save_stack == nullptr || functions.global_save_stack_size == nullptr)
      return false;
    words = *functions.global_save_stack;
    size = *functions.global_save_stack_size;
  } else {
    const auto base = reinterpret_cast<uintptr_t>(interpreter);
    if (!memory.Read(base + kSaveStack, &words) || !memory.Read(base + kSaveStackSize, &size))
      return false;
  }
  for (uintptr_t i = 0; size > 0 && i < static_cast<uintptr_t>(size) && i < kMaxWords; ++i) {
    uintptr_t op = 0;
    uintptr_t next = 0;
    uint16_t type = 0;
    if (!memory.Read(words + i * sizeof op, &op)) return false;
    if (memory.Read(op + kOpType, &type) && (type & kOpTypeMask) == functions.ops.leave &&
        memory.Read(op + kOpNext, &next) && next == 0) {
      return true;
    }
  }
  return false;
}

// Whether code of the program runs that was not left yet. A destructor has a stack of its own, with
// the context of the eval around it; one in C has no other, one in Perl that of its sub. Where it
// cannot be told, there is some.
bool RunsPerl(const PerlFunctions& functions, void* interpreter) {
  CheckedMemory memory;
  uintptr_t info = 0;
  if (functions.global_cop != nullptr) {
    if (functions.global_stack_info == nullptr) return true;
    info = *functions.global_stack_info;
  } else {
    // Behind PL_curcop, as CopAt has found it at a connect.
    const size_t cop = guessed_cop_offset.load(std::memory_order_relaxed);
    const auto base = reinterpret_cast<uintptr_t>(interpreter);
    uintptr_t stack = 0;
    uintptr_t stack_of_info = 0;
    if (cop == 0 || !memory.Read(base + cop + 8, &stack) || !memory.Read(base + cop + 16, &info) ||
        !memory.Read(info + kStackInfoStack, &stack_of_info) || stack_of_info != stack) {
      return true;
    }
  }
  int32_t innermost = 0;
  uintptr_t contexts = 0;
  uint8_t type = 0;
  if (!memory.Read(info + kStackInfoContext, &innermost)) return true;
  if (innermost < 0) return false;
  return innermost > 0 || !memory.Read(info + kStackInfoContexts, &contexts) ||
         !memory.Read(contexts + kContextType, &type) || (type & kContextTypeMask) != kEval;
}

// What is left is destroyed in three ways. The variables of the file are when its block is left,
// the last thing that perl_run does, and by `exit` or `die` with those of the subs that are left
// then; after END blocks, perl_destruct destroys everything else. Where code of the program runs in
// between, the close is the program's: an END block, a destructor in Perl. Before 5.38 a destructor
// in C is called without runops, and needs no look at contexts.
Closing WhoseClose(const Callers& callers) {
  const PerlFunctions* functions = perl.Get();
  if (functions == nullptr) return Closing::kProgram;
  void* interpreter = *functions->first_interpreter;
  if (functions->threads) {
    // The end of a thread is not the program's.
    if (interpreter == nullptr || functions->get_specific(*functions->thread_key) != interpreter)
      return Closing::kProgram;
  } else if (gettid() != getpid()) {
    return Closing::kProgram;
  }
  const std::span<void* const> addresses = callers.Get();
  const size_t running = callers.Innermost({functions->runops_standard, functions->runops_debug});
  const size_t ending =
      callers.Innermost({functions->my_exit, functions->my_failure_exit, functions->destruct});
  if (ending < addresses.size() && ending < running) return Closing::kShutdown;
  if (RunsPerl(*functions, interpreter)) return Closing::kProgram;
  if (ending < addresses.size()) return Closing::kShutdown;
  const bool runs_file = callers.Innermost({functions->run}) < addresses.size();
  return runs_file && LeavesProgram(*functions, interpreter) ? Closing::kShutdown
                                                             : Closing::kProgram;
}

bool Find(LookUp look_up) { return perl.Find(look_up); }

const void* Code() {
  const PerlFunctions* functions = perl.Last();
  return functions != nullptr ? functions->runops : nullptr;
}

void Capture(ScriptSink& sink) {
  const ErrnoKeeper errno_keeper;
  const PerlFunctions* functions = perl.Get();
  if (functions == nullptr) return;
  // PL_curinterp is set with the first interpreter, as is the key (INIT_TLS_AND_INTERP, perl.c):
  // before that it would be somebody else's key 0.
  void* interpreter = *functions->first_interpreter;
  if (interpreter == nullptr && functions->global_cop == nullptr) return;
  if (functions->threads) {
    interpreter = functions->get_specific(*functions->thread_key);
    if (interpreter == nullptr) return;  // a thread that is not perl's
  } else if (gettid() != getpid()) {
    return;  // this perl does not know of threads
  }
  Walk(*functions, interpreter, &sink).Run();
}

}  // namespace

constinit const Interpreter kPerl = {"Perl", Find, Code, Capture, WhoseClose, ledger::kPerl};

}  // namespace pqleash::stack
