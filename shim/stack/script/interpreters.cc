// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/script/interpreters.h"

#include <dlfcn.h>

#include <atomic>

#include "shim/stack/script/callers.h"
#include "shim/stack/script/script_frames.h"
#include "shim/stack/unwinder.h"
#include "shim/support/linker.h"

namespace pqleash::stack {

namespace {

constexpr const Interpreter* kInterpreters[] = {&kPython, &kRuby, &kPhp, &kPerl};
constexpr uint32_t kInterpreterCount = sizeof(kInterpreters) / sizeof(kInterpreters[0]);

// How many objects the linker had added when an interpreter was looked for; kFound: it is there.
constexpr uint64_t kFound = UINT64_MAX;
constinit std::atomic<uint64_t> looked_at[kInterpreterCount] = {};
constinit std::atomic<uint32_t> seen{0};
// How many objects the linker had removed at the last capture.
constinit std::atomic<uint64_t> removed_at_capture{0};

bool Present(uint32_t number, const LoaderState& loader) {
  const uint64_t known = looked_at[number].load(std::memory_order_acquire);
  if (known == kFound) return true;
  if (known == loader.added) return false;
  const bool found = kInterpreters[number]->find(linker::LookUp);
  dlerror();  // what we failed to look up is no error of the host's
  looked_at[number].store(found ? kFound : loader.added, std::memory_order_release);
  return found;
}

class InterningSink final : public ScriptSink {
 public:
  InterningSink(ledger::ScriptFrameTable& table, uint32_t depth, bool may_add, Stack* stack)
      : table_(table), depth_(depth), may_add_(may_add), stack_(stack) {}

  bool Add(ledger::Language language, std::string_view function, std::string_view file,
           uint32_t line) override {
    if (stack_->script_count == depth_) {
      stack_->flags |= ledger::kStackTruncated;
      return false;
    }
    const uint32_t number = may_add_ ? table_.Intern(language, function, file, line)
                                     : table_.Find(language, function, file, line);
    if (number == 0) {  // no room: what is there is still right
      stack_->flags |= ledger::kStackIncomplete;
      return false;
    }
    stack_->script_frames[stack_->script_count++] = number;
    const uint32_t bit = 1u << language;
    if ((seen.load(std::memory_order_relaxed) & bit) == 0)
      seen.fetch_or(bit, std::memory_order_relaxed);
    return true;
  }

 private:
  ledger::ScriptFrameTable& table_;
  const uint32_t depth_;
  const bool may_add_;
  Stack* const stack_;
};

[[gnu::noinline]] int TakeCallers(void** addresses, int capacity) {
  CaptureResult result;
  return CaptureStack(addresses, capacity, ReadLoaderState().removed, &result);
}

}  // namespace

Closer WhoCloses() noexcept {
  const Callers callers(TakeCallers);
  for (uint32_t number = 0; number < kInterpreterCount; ++number) {
    if (looked_at[number].load(std::memory_order_acquire) != kFound) continue;
    const Closing closing = kInterpreters[number]->closing(callers);
    if (closing != Closing::kProgram) return {closing, kInterpreters[number]->language};
  }
  return {};
}

void CaptureScript(ledger::ScriptFrameTable& table, uint32_t depth, const LoaderState& loader,
                   Stack* stack) {
  removed_at_capture.store(loader.removed, std::memory_order_relaxed);
  for (uint32_t number = 0; number < kInterpreterCount; ++number) {
    if (!Present(number, loader)) continue;
    InterningSink sink(table, depth, true, stack);
    kInterpreters[number]->capture(sink);
    if (stack->script_count == 0) continue;
    stack->interpreter = kInterpreters[number]->code();
    return;
  }
}

bool CaptureScriptOfUse(ledger::ScriptFrameTable& table, uint32_t depth, const LoaderState& loader,
                        bool may_add, Stack* stack) {
  bool told = true;
  for (uint32_t number = 0; number < kInterpreterCount; ++number) {
    if (looked_at[number].load(std::memory_order_acquire) != kFound) continue;
    if (kInterpreters[number]->has_lock ||
        loader.removed != removed_at_capture.load(std::memory_order_relaxed)) {
      told = false;
      continue;
    }
    InterningSink sink(table, depth, may_add, stack);
    kInterpreters[number]->capture(sink);
    if (stack->script_count == 0) continue;
    stack->interpreter = kInterpreters[number]->code();
    return true;
  }
  return told;
}

uint32_t InterpretersSeen() { return seen.load(std::memory_order_relaxed); }

}  // namespace pqleash::stack
