// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "reporter/words/escape.h"

namespace pqleash::reporter {

namespace {

// Writes words with a blank between them. A word is never broken.
void WriteWords(std::string_view first, const std::vector<std::string_view>& words,
                std::ostream& out) {
  const std::string indent(Width(first), ' ');
  const size_t room = kTextWidth - std::min(indent.size(), kTextWidth / 2);
  out << first;
  size_t column = 0;
  for (const std::string_view word : words) {
    const size_t width = Width(word);
    if (column != 0 && column + 1 + width > room) {
      out << '\n' << indent;
      column = 0;
    } else if (column != 0) {
      out << ' ';
      ++column;
    }
    out << word;
    column += width;
  }
  out << '\n';
}

}  // namespace

void WriteWrapped(std::string_view first, std::string_view text, std::ostream& out) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t size = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, size));
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  WriteWords(first, words, out);
}

void WriteItems(std::string_view first, const std::vector<std::string>& items, std::ostream& out) {
  std::vector<std::string> separated = items;
  for (size_t i = 0; i + 1 < separated.size(); ++i) separated[i] += ',';
  WriteWords(first, {separated.begin(), separated.end()}, out);
}

void WriteTable(const std::vector<Column>& columns,
                const std::vector<std::vector<std::string>>& rows, size_t indent,
                std::ostream& out) {
  std::vector<size_t> widths;
  std::vector<std::string> titles;
  bool titled = false;
  for (size_t i = 0; i < columns.size(); ++i) {
    size_t width = Width(columns[i].title);
    for (const std::vector<std::string>& row : rows) width = std::max(width, Width(row[i]));
    widths.push_back(width);
    titles.push_back(columns[i].title);
    titled |= !columns[i].title.empty();
  }
  const auto write_row = [&](const std::vector<std::string>& row) {
    std::string line(indent, ' ');
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - Width(row[i]), ' ');
      if (i != 0) line += "  ";
      line += columns[i].right ? padding + row[i] : row[i] + padding;
    }
    line.resize(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  };
  if (titled) write_row(titles);
  for (const std::vector<std::string>& row : rows) write_row(row);
}

std::string BySeverity(const Style& style, Severity severity, std::string_view text) {
  switch (severity) {
    case Severity::kCritical:
      return style.Alarm(text);
    case Severity::kWarning:
      return style.Warning(text);
    case Severity::kInfo:
      break;
  }
  return std::string(text);
}

std::string Style::Wrap(std::string_view code, std::string_view text) const {
  return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

void WriteIncomplete(const std::vector<std::string>& incomplete, const Style& style,
                     std::ostream& out) {
  if (incomplete.empty()) return;
  out << '\n';
  for (const std::string& sentence : incomplete) {
    std::ostringstream lines;
    WriteWrapped("incomplete: ", Escape(sentence), lines);
    out << style.Warning(lines.str());
  }
}

}  // namespace pqleash::reporter
