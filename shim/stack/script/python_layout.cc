// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/script/python_layout.h"

#include <cstring>

namespace pqleash::stack::python {
namespace {

// From each version's own headers (Include/cpython/{pystate,code,unicodeobject}.h and
// Include/internal/pycore_{runtime,interp,frame,code}.h), by offsetof; the layouts did not change
// after the first release of a version.
constexpr Layout k39 = {
    .minor = 9,
    .runtime_interpreters = 32,
    .interpreter_next = 0,
    .interpreter_threads = 8,
    .thread_next = 8,
    .thread_interpreter = 16,
    .thread_id = 176,
    .thread_native_id = 0,
    .thread_frame = 24,
    .cframe_frame = 0,
    .frame_previous = 24,
    .frame_code = 32,
    .frame_instruction = 104,
    .frame_owner = 0,
    .frame_line = 108,
    .frame_trace = 80,
    .code_filename = 104,
    .code_name = 112,
    .code_lines = 120,
    .code_first_line = 40,
    .code_bytes = 0,
    .object_type = 8,
    .text_length = 16,
    .text_state = 32,
    .text_ascii = 48,
    .text_wide = 72,
    .bytes_size = 16,
    .bytes_data = 32,
};

constexpr Layout Make310() {
  Layout layout = k39;
  layout.minor = 10;
  layout.frame_instruction = 96;
  layout.frame_line = 100;
  layout.frame_trace = 0;
  return layout;
}

constexpr Layout Make311() {
  Layout layout = k39;
  layout.minor = 11;
  layout.runtime_interpreters = 40;
  layout.interpreter_threads = 16;
  layout.thread_id = 152;
  layout.thread_native_id = 160;
  layout.thread_frame = 56;
  layout.cframe_frame = 8;
  layout.frame_previous = 48;
  layout.frame_code = 32;
  layout.frame_instruction = 56;
  layout.frame_owner = 69;
  layout.frame_line = 0;
  layout.frame_trace = 0;
  layout.code_filename = 112;
  layout.code_name = 128;
  layout.code_lines = 136;
  layout.code_first_line = 72;
  layout.code_bytes = 184;
  return layout;
}

constexpr Layout Make312() {
  Layout layout = Make311();
  layout.minor = 12;
  layout.interpreter_threads = 72;
  layout.thread_id = 136;
  layout.thread_native_id = 144;
  layout.cframe_frame = 0;
  layout.frame_previous = 8;
  layout.frame_code = 0;
  layout.frame_owner = 70;
  layout.code_first_line = 68;
  layout.code_bytes = 192;
  layout.text_ascii = 40;
  layout.text_wide = 56;
  return layout;
}

constexpr Layout kTable[] = {k39, Make310(), Make311(), Make312()};

// _Py_DebugOffsets: a cookie, then words of 64 bits, most of them offsets (3.13:
// Include/internal/pycore_runtime.h; 3.14: Include/internal/pycore_debug_offsets.h). Here: which
// word is what. 3.14 put one word more into the interpreter state that is before what we read, and
// a few behind it.
struct Words {
  int minor;
  uint32_t interpreters_head;
  uint32_t interpreter_next;
  uint32_t threads_head;
  uint32_t thread;   // thread_state.size; prev, next, interp, current_frame and the ids follow
  uint32_t frame;    // interpreter_frame.size
  uint32_t code;     // code_object.size
  uint32_t object;   // pyobject.size
  uint32_t bytes;    // bytes_object.size
  uint32_t unicode;  // unicode_object.size
  uint32_t count;
};
// Behind pyobject follow type (4), tuple (3), list (3), dict (3) and float (2) objects, and long
// (3); 3.14 put the set (4) between list and dict.
constexpr Words kWords[] = {
    {13, 5, 8, 9, 19, 28, 34, 44, 64, 67, 71},
    {14, 5, 8, 9, 22, 31, 39, 50, 74, 77, 81},
};
constexpr uint32_t kMaxWords = 96;

// No structure of CPython is as large as this but the interpreter state.
constexpr uint64_t kMaxOffset = 4096;
constexpr uint64_t kMaxStateOffset = 1 << 20;

class Description {
 public:
  bool Read(Memory& memory, uintptr_t runtime, const Words& words) {
    return memory.Read(runtime, words_, words.count * sizeof(uint64_t));
  }

  bool HasCookie() const { return memcmp(words_, "xdebugpy", 8) == 0; }
  uint64_t version() const { return words_[1]; }
  bool free_threaded() const { return words_[2] != 0; }
  uint64_t At(uint32_t word) const { return words_[word]; }

  // An offset that leaves room for a pointer.
  uint32_t Offset(uint32_t word, uint64_t limit = kMaxOffset) {
    if (words_[word] + sizeof(void*) > limit) valid_ = false;
    return static_cast<uint32_t>(words_[word]);
  }
  bool valid() const { return valid_; }

 private:
  uint64_t words_[kMaxWords] = {};
  bool valid_ = true;
};

bool ReadDescription(Memory& memory, const Words& words, uintptr_t runtime, Layout* layout) {
  Description described;
  if (!described.Read(memory, runtime, words) || !described.HasCookie()) return false;
  if (described.version() >> 16 != (uint64_t{3} << 8 | static_cast<uint64_t>(words.minor)))
    return false;
  if (described.free_threaded()) return false;
  *layout = {};
  layout->minor = words.minor;
  layout->runtime_interpreters = described.Offset(words.interpreters_head, kMaxStateOffset);
  layout->interpreter_next = described.Offset(words.interpreter_next, kMaxStateOffset);
  layout->interpreter_threads = described.Offset(words.threads_head, kMaxStateOffset);
  layout->thread_next = described.Offset(words.thread + 2);
  layout->thread_interpreter = described.Offset(words.thread + 3);
  layout->thread_frame = described.Offset(words.thread + 4);
  layout->thread_id = described.Offset(words.thread + 5);
  layout->thread_native_id = described.Offset(words.thread + 6);
  layout->frame_previous = described.Offset(words.frame + 1);
  layout->frame_code = described.Offset(words.frame + 2);
  layout->frame_instruction = described.Offset(words.frame + 3);
  layout->frame_owner = described.Offset(words.frame + 5);
  layout->code_filename = described.Offset(words.code + 1);
  layout->code_name = described.Offset(words.code + 3);
  layout->code_lines = described.Offset(words.code + 4);
  layout->code_first_line = described.Offset(words.code + 5);
  layout->code_bytes = described.Offset(words.code + 9);
  layout->object_type = described.Offset(words.object + 1);
  layout->bytes_size = described.Offset(words.bytes + 1);
  layout->bytes_data = described.Offset(words.bytes + 2);
  layout->text_state = described.Offset(words.unicode + 1);
  layout->text_length = described.Offset(words.unicode + 2);
  layout->text_ascii = described.Offset(words.unicode + 3);
  // PyCompactUnicodeObject adds the length of its UTF-8 and a pointer to it.
  layout->text_wide = layout->text_ascii + 16;
  return described.valid() && layout->code_bytes > 16;
}

}  // namespace

bool ReadLayout(Memory& memory, int minor, uintptr_t runtime, Layout* layout) {
  for (const Layout& known : kTable) {
    if (known.minor != minor) continue;
    *layout = known;
    return true;
  }
  for (const Words& words : kWords) {
    if (words.minor == minor) return ReadDescription(memory, words, runtime, layout);
  }
  return false;
}

}  // namespace pqleash::stack::python
