// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/script/python_frames.h"

#include "shim/stack/script/python_lines.h"
#include "shim/stack/script/python_text.h"

namespace pqleash::stack::python {
namespace {

// Whatever is read: no chain is followed further.
constexpr int kMaxInterpreters = 256;
constexpr int kMaxThreads = 100'000;
constexpr int kMaxFrames = 20'000;

// enum _frameowner: what is above belongs to no function of the program (an entry of the
// interpreter).
constexpr uint8_t kOwnedByGenerator = 1;
constexpr uint8_t kOwnedByFrameObject = 2;
// Since 3.14 a reference may have marks in its lowest bits (Include/internal/pycore_stackref.h).
constexpr uintptr_t kReferenceMarks = 3;
// From co_firsttraceable to co_code_adaptive: an int, padding, co_extra.
constexpr uint32_t kFirstTraceableToCode = 16;
constexpr uint32_t kInstructionSize = 2;  // _Py_CODEUNIT

class Walk {
 public:
  Walk(Memory& memory, const Runtime& runtime, ScriptSink& sink)
      : memory_(memory), cache_(memory), runtime_(runtime), layout_(runtime.layout), sink_(sink) {}

  bool Run(uintptr_t thread_state) {
    uintptr_t frame = 0;
    if (!cache_.Get(thread_state + layout_.thread_frame, &frame)) return false;
    if (layout_.through_cframe() &&
        (frame == 0 || !cache_.Get(frame + layout_.cframe_frame, &frame))) {
      return false;
    }
    for (int i = 0; i < kMaxFrames && frame != 0; ++i) {
      const Next next = Add(frame);
      if (next != Next::kGoOn) return next == Next::kEnough && lines_ != 0;
      if (!cache_.Get(frame + layout_.frame_previous, &frame)) return false;
    }
    return frame == 0 && lines_ != 0;
  }

 private:
  enum class Next {
    kGoOn,
    kEnough,
    kUnreadable,
  };

  Next Add(uintptr_t frame) {
    uint8_t owner = 0;
    if (layout_.minor >= 11) {
      if (!cache_.Get(frame + layout_.frame_owner, &owner)) return Next::kUnreadable;
      if (owner > kOwnedByFrameObject) return Next::kGoOn;
    }
    uintptr_t code = 0;
    uintptr_t type = 0;
    if (!cache_.Get(frame + layout_.frame_code, &code)) return Next::kUnreadable;
    if (layout_.minor >= 14) code &= ~kReferenceMarks;
    if (code == 0 || !cache_.Get(code + layout_.object_type, &type) || type != runtime_.code_type)
      return Next::kUnreadable;
    int64_t offset = 0;
    uint32_t line = 0;
    if (layout_.minor >= 11) {
      bool complete = false;
      if (!ReadOffset(frame, code, &offset, &complete)) return Next::kUnreadable;
      // Until it has set up its variables a function is not there to traceback either.
      if (!complete && owner != kOwnedByGenerator) return Next::kGoOn;
      line = ReadLine(code, offset);
    } else if (!ReadOldLine(frame, code, &line)) {
      return Next::kUnreadable;
    }
    uintptr_t name = 0;
    uintptr_t file = 0;
    if (!cache_.Get(code + layout_.code_name, &name) ||
        !cache_.Get(code + layout_.code_filename, &file)) {
      return Next::kUnreadable;
    }
    if (!name_.Read(cache_, layout_, runtime_.text_type, name) ||
        !file_.Read(cache_, layout_, runtime_.text_type, file)) {
      return Next::kGoOn;
    }
    if (line != 0) ++lines_;
    return sink_.Add(ledger::kPython, name_.view(), file_.view(), line) ? Next::kGoOn
                                                                        : Next::kEnough;
  }

  bool ReadOffset(uintptr_t frame, uintptr_t code, int64_t* offset, bool* complete) {
    uintptr_t instruction = 0;
    int32_t first_traceable = 0;
    if (!cache_.Get(frame + layout_.frame_instruction, &instruction) ||
        !cache_.Get(code + layout_.code_bytes - kFirstTraceableToCode, &first_traceable)) {
      return false;
    }
    *offset = static_cast<int64_t>(instruction - (code + layout_.code_bytes));
    *complete = *offset >= int64_t{first_traceable} * kInstructionSize;
    return true;
  }

  // Of a frame that is traced the line is in the frame (Objects/frameobject.c,
  // PyFrame_GetLineNumber).
  bool ReadOldLine(uintptr_t frame, uintptr_t code, uint32_t* line) {
    int32_t traced_line = 0;
    int32_t last = 0;
    uintptr_t trace = 0;
    if (!cache_.Get(frame + layout_.frame_line, &traced_line) ||
        !cache_.Get(frame + layout_.frame_instruction, &last) ||
        (layout_.minor == 9 && !cache_.Get(frame + layout_.frame_trace, &trace))) {
      return false;
    }
    const bool traced = layout_.minor == 9 ? trace != 0 : traced_line != 0;
    if (traced) {
      *line = traced_line > 0 ? static_cast<uint32_t>(traced_line) : 0;
    } else {
      *line = ReadLine(code, layout_.minor == 9 ? last : int64_t{last} * kInstructionSize);
    }
    return true;
  }

  uint32_t ReadLine(uintptr_t code, int64_t offset) {
    LineTable table = {layout_.minor, 0, 0, 0};
    uintptr_t bytes = 0;
    uintptr_t type = 0;
    if (!cache_.Get(code + layout_.code_first_line, &table.first_line) ||
        !cache_.Get(code + layout_.code_lines, &bytes) || bytes == 0 ||
        !cache_.Get(bytes + layout_.object_type, &type) || type != runtime_.bytes_type ||
        !cache_.Get(bytes + layout_.bytes_size, &table.size)) {
      return 0;
    }
    table.data = bytes + layout_.bytes_data;
    return LineAt(cache_, memory_, table, offset);
  }

  Memory& memory_;
  BlockCache cache_;
  const Runtime& runtime_;
  const Layout& layout_;
  ScriptSink& sink_;
  uint32_t lines_ = 0;  // frames with one
  Text name_;
  Text file_;
};

template <typename T>
bool Get(Memory& memory, uintptr_t address, T* value) {
  return address != 0 && address % alignof(T) == 0 && memory.Read(address, value, sizeof(T));
}

}  // namespace

uintptr_t FindThread(Memory& memory, const Runtime& runtime, uint32_t id_offset, uint64_t id) {
  const Layout& layout = runtime.layout;
  uintptr_t interpreter = 0;
  if (!Get(memory, runtime.runtime + layout.runtime_interpreters, &interpreter)) return 0;
  int threads = 0;
  for (int i = 0; i < kMaxInterpreters && interpreter != 0; ++i) {
    uintptr_t thread = 0;
    if (!Get(memory, interpreter + layout.interpreter_threads, &thread)) return 0;
    while (thread != 0 && threads++ < kMaxThreads) {
      uint64_t found = 0;
      if (!Get(memory, thread + id_offset, &found)) return 0;
      if (found == id) return thread;
      if (!Get(memory, thread + layout.thread_next, &thread)) return 0;
    }
    if (!Get(memory, interpreter + layout.interpreter_next, &interpreter)) return 0;
  }
  return 0;
}

bool IsThread(Memory& memory, const Runtime& runtime, uintptr_t state, uintptr_t interpreter,
              uint64_t thread_id) {
  uintptr_t found_interpreter = 0;
  uint64_t found_id = 0;
  return Get(memory, state + runtime.layout.thread_interpreter, &found_interpreter) &&
         Get(memory, state + runtime.layout.thread_id, &found_id) && found_id == thread_id &&
         (interpreter == 0 || found_interpreter == interpreter);
}

bool ReadFrames(Memory& memory, const Runtime& runtime, uintptr_t thread_state, ScriptSink& sink) {
  return Walk(memory, runtime, sink).Run(thread_state);
}

}  // namespace pqleash::stack::python
