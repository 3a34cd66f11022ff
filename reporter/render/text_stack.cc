// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/text_stack.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kFunctionColumns = 46;
constexpr size_t kPlaceColumns = 52;

struct Row {
  std::string number;
  std::string name;
  std::string place;
};

bool IsScript(const SourceFrame& frame) { return frame.language != Language::kNative; }

std::string FilePlace(const SourceFrame& frame) {
  const std::string line = frame.line == 0 ? "" : fmt::format(":{}", frame.line);
  return CutFront(Escape(frame.file), kPlaceColumns - line.size()) + line;
}

std::string NativePlace(const SourceFrame& frame) {
  if (!frame.file.empty()) return FilePlace(frame);
  std::string place = CutFront(Escape(DescribePlace(frame)), kPlaceColumns);
  if (!frame.note.empty()) place += fmt::format(" ({})", Escape(frame.note));
  return place;
}

std::string FunctionText(const SourceFrame& frame) {
  return CutEnd(Escape(ShortFunction(frame.function, kFunctionColumns)), kFunctionColumns);
}

Row ToRow(size_t number, const SourceFrame& frame) {
  Row row = {fmt::format("#{}", number), frame.function.empty() ? "?" : FunctionText(frame), ""};
  if (IsScript(frame)) {
    if (!frame.file.empty()) row.place = FilePlace(frame) + " ";
    row.place += fmt::format("({})", NameOf(frame.language));
  } else if (frame.function.empty() && frame.file.empty()) {
    row.name = NativePlace(frame);
  } else {
    row.place = NativePlace(frame);
  }
  if (frame.inlined) row.place += row.place.empty() ? "(inlined)" : " (inlined)";
  return row;
}

std::string HiddenText(size_t hidden) {
  return fmt::format("({} native frame{} of the interpreter hidden: --native shows {})", hidden,
                     hidden == 1 ? "" : "s", hidden == 1 ? "it" : "them");
}

}  // namespace

void WriteStackText(const std::vector<SourceFrame>& frames, bool native, size_t indent,
                    const Style& style, std::ostream& out) {
  std::vector<Row> rows;
  size_t hidden = 0;
  bool in_script = false;
  for (size_t i = 0; i < frames.size(); ++i) {
    in_script |= IsScript(frames[i]);
    if (in_script && !IsScript(frames[i]) && !native) {
      ++hidden;
    } else {
      rows.push_back(ToRow(i, frames[i]));
    }
  }
  if (rows.empty()) return;
  // A name that is only a place may be wide: it does not move the column of the others.
  size_t width = 0;
  for (const Row& row : rows) {
    if (!row.place.empty()) width = std::max(width, Width(row.name));
  }
  const std::string blanks(indent, ' ');
  const size_t numbers = rows.back().number.size();
  for (const Row& row : rows) {
    out << blanks << row.number << std::string(numbers - row.number.size() + 1, ' ') << row.name;
    if (!row.place.empty()) {
      out << std::string(width - std::min(width, Width(row.name)) + 2, ' ') << row.place;
    }
    out << '\n';
  }
  if (hidden != 0) out << style.Dim(blanks + HiddenText(hidden)) << '\n';
}

}  // namespace pqleash::reporter
