// SPDX-License-Identifier: Apache-2.0

#include "reporter/audit/fingerprint.h"

#include <fmt/format.h>

#include <cstdint>

#include "reporter/call_sites/application_frame.h"

namespace pqleash::reporter {
namespace {

class Fnv {
 public:
  // With a NUL behind it, so that 'ab', 'c' is not 'a', 'bc'.
  void Add(std::string_view text) {
    for (const char byte : text) AddByte(static_cast<unsigned char>(byte));
    AddByte(0);
  }
  uint64_t value() const { return value_; }

 private:
  void AddByte(uint64_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }

  uint64_t value_ = 0xcbf29ce484222325;
};

std::string_view FileName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

std::string_view KnownAs(std::string_view kind) {
  return kind == "lost-handle" ? "leak-suspect" : kind;
}

std::optional<std::string> Fingerprint(std::string_view kind,
                                       const std::vector<SourceFrame>& frames,
                                       const std::vector<std::string>& library_paths) {
  Fnv hash;
  hash.Add(KnownAs(kind));
  bool named = false;
  for (const SourceFrame* frame : ApplicationFrames(frames, library_paths)) {
    hash.Add(frame->function);
    hash.Add(FileName(frame->file.empty() ? frame->module : frame->file));
    named |= !frame->function.empty();
  }
  if (!named) return std::nullopt;
  return fmt::format("{:016x}", hash.value());
}

}  // namespace pqleash::reporter
