// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "reporter/top/cells.h"
#include "reporter/top/keys.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter::top {
namespace {

constexpr size_t kSignColumns = 2;   // '>' of the selection, and what is to be noticed
constexpr size_t kShortScreen = 16;  // lines: below, the head is as short as can be

std::string Counted(uint64_t count, const char* one, const char* more) {
  return fmt::format("{} {}", count, count == 1 ? one : more);
}

std::string RateText(const std::optional<double>& rate) {
  return rate ? fmt::format("{:.1f}/s", *rate) : std::string("-");
}

std::vector<Line> Head(const Summary& summary, size_t width, bool shortened) {
  std::vector<Line> lines;
  const std::string title = fmt::format("pqleash top  {}  {}  {} UTC", summary.host,
                                        Counted(summary.services, "service", "services") + ", " +
                                            Counted(summary.processes, "process", "processes"),
                                        summary.clock);
  lines.push_back({{FitEnd(title, width), Style::kStrong}});
  const std::string totals = fmt::format(
      "{} open: {} in use, {} idle; {} waiting; opened {}, closed {}; {}", summary.open,
      summary.in_use, summary.open - summary.in_use, summary.waiting, RateText(summary.opened_rate),
      RateText(summary.closed_rate), Counted(summary.findings, "finding", "findings"));
  lines.push_back({{FitEnd(totals, width)}});
  if (shortened) return lines;
  if (!summary.answer.empty()) {
    std::vector<std::string> wrapped = WrapCells(summary.answer + ".", width);
    constexpr size_t kMost = 2;
    if (wrapped.size() > kMost) {
      wrapped[kMost - 1] = FitEnd(wrapped[kMost - 1] + " " + wrapped[kMost], width);
      wrapped.resize(kMost);
    }
    for (std::string& line : wrapped) {
      lines.push_back({{std::move(line), summary.answer_bad ? Style::kWarning : Style::kPlain}});
    }
  }
  if (summary.incomplete != 0) {
    lines.push_back({{FitEnd(fmt::format("{} could not be read: `pqleash report` says what",
                                         Counted(summary.incomplete, "thing", "things")),
                             width),
                      Style::kWarning}});
  }
  return lines;
}

// The columns that there is room for, and how wide each is.
struct Fitted {
  std::vector<size_t> columns;
  std::vector<size_t> widths;
};

Fitted FitColumns(const Table& table, size_t width) {
  Fitted fitted;
  for (size_t i = 0; i < table.columns.size(); ++i) fitted.columns.push_back(i);
  const auto needed = [&] {
    size_t sum = kSignColumns;
    for (const size_t i : fitted.columns) sum += table.columns[i].width + 1;
    return sum - 1;
  };
  while (needed() > width) {
    const auto least = std::max_element(
        fitted.columns.begin(), fitted.columns.end(),
        [&](size_t a, size_t b) { return table.columns[a].rank < table.columns[b].rank; });
    if (table.columns[*least].rank == 0) break;
    fitted.columns.erase(least);
  }
  const size_t spare = width - std::min(width, needed());
  for (const size_t i : fitted.columns) {
    const TableColumn& column = table.columns[i];
    fitted.widths.push_back(column.width + (column.flexible ? spare : 0));
  }
  return fitted;
}

std::string Joined(const std::vector<std::string>& cells) {
  std::string text;
  for (const std::string& cell : cells) text += (text.empty() ? "" : " ") + cell;
  return text;
}

Line HeadingOf(const Table& table, const Fitted& fitted, const Place& place, size_t width) {
  std::vector<std::string> titles;
  for (size_t i = 0; i < fitted.columns.size(); ++i) {
    const TableColumn& column = table.columns[fitted.columns[i]];
    std::string title = column.title;
    // Where there is room for it; the line above says so, too.
    if (place.sort == column.key && title.size() < fitted.widths[i])
      title += place.reverse ? "^" : "v";
    titles.push_back(column.right ? PadLeft(title, fitted.widths[i])
                                  : PadRight(title, fitted.widths[i]));
  }
  return {{PadRight("  " + Joined(titles), width), Style::kHeading}};
}

const char* SignOf(Mark mark) {
  return mark == Mark::kAlarm ? "X" : mark == Mark::kWarning ? "!" : " ";
}

Line RowLine(const Table& table, const Fitted& fitted, const Row& row, bool selected,
             size_t width) {
  std::vector<std::string> cells;
  for (size_t i = 0; i < fitted.columns.size(); ++i) {
    const TableColumn& column = table.columns[fitted.columns[i]];
    const std::string& text = row.cells[fitted.columns[i]].text;
    const std::string cut =
        column.front ? FitFront(text, fitted.widths[i]) : FitEnd(text, fitted.widths[i]);
    cells.push_back(column.right ? PadLeft(cut, fitted.widths[i])
                                 : PadRight(cut, fitted.widths[i]));
  }
  const Style style = row.mark == Mark::kAlarm     ? Style::kAlarm
                      : row.mark == Mark::kWarning ? Style::kWarning
                                                   : Style::kPlain;
  const std::string text =
      PadRight((selected ? ">" : " ") + std::string(SignOf(row.mark)) + Joined(cells), width);
  return {{text, selected ? Style::kSelected : style}};
}

std::vector<Line> DetailLines(const std::vector<DetailLine>& detail, size_t width) {
  using Kind = DetailLine::Kind;
  std::vector<Line> lines;
  for (const DetailLine& line : detail) {
    if (line.kind == Kind::kFrame) {
      // Side by side where there is room for both, else below.
      const size_t needed = CellsOf(line.text) + 2 + CellsOf(line.place);
      if (needed <= width) {
        lines.push_back({{line.text}, {"  "}, {line.place, Style::kDim}});
      } else {
        lines.push_back({{FitEnd(line.text, width)}});
        constexpr size_t kIndent = 6;
        const size_t room = width - std::min(width, kIndent);
        lines.push_back({{std::string(std::min(width, kIndent), ' ')},
                         {FitFront(line.place, room), Style::kDim}});
      }
      continue;
    }
    const Style style = line.kind == Kind::kTitle ? Style::kStrong
                        : line.kind == Kind::kDim ? Style::kDim
                                                  : Style::kPlain;
    // Lines that are laid out by hand stay so.
    if (CellsOf(line.text) <= width) {
      lines.push_back({{line.text, style}});
      continue;
    }
    for (std::string& part : WrapCells(line.text, width))
      lines.push_back({{std::move(part), style}});
  }
  return lines;
}

std::string WhereText(const Shown& shown, const Place& place) {
  std::string text = shown.title;
  if (!shown.is_table) return text;
  text += fmt::format(" ({})", shown.table.rows.size());
  if (!place.filter.empty()) text += fmt::format(", with '{}'", Escape(place.filter));
  if (!place.sort.empty()) {
    text += fmt::format(", by {}{}", place.sort, place.reverse ? ", the other way round" : "");
  }
  return text;
}

std::string Hints(View view, bool deep) {
  const std::string back = deep ? "Left back  " : "";
  switch (view) {
    case View::kServices:
      return "Enter call sites  f findings  c caps  s sort  / filter  ? help  q quit";
    case View::kCallSites:
      return "Enter connections  t stack  Left back  f findings  s sort  / filter  ? help";
    case View::kConnections:
      return "Enter stack  Left back  f findings  c caps  s sort  / filter  ? help";
    case View::kFindings:
      return "Enter details  Left back  c caps  s sort  / filter  ? help  q quit";
    case View::kCaps:
      return "+ - or a number: new limit  Left back  f findings  s sort  ? help";
    default:
      return "Up Down scroll  " + back + "q quit";
  }
}

// Two lines: a question or what was done, and keys. What was done may take both.
std::vector<Line> Foot(const ViewState& state, size_t width) {
  const std::string hints = FitEnd(Hints(state.place().view, state.path.size() > 1), width);
  const std::string question = QuestionOf(state.prompt);
  // The end of a long question is what one types.
  if (!question.empty())
    return {{{FitFront(question, width), Style::kStrong}}, {{hints, Style::kDim}}};
  const Style style = state.status_bad ? Style::kAlarm : Style::kStrong;
  const std::vector<std::string> said = WrapCells(state.status, width);
  if (said.size() == 1) return {{{said[0], style}}, {{hints, Style::kDim}}};
  const std::string rest = said.size() == 2 ? said[1] : FitEnd(said[1] + " " + said[2], width);
  return {{{said[0], style}}, {{rest, style}}};
}

// So that `at` is in a window of `page` rows; no further than needed.
size_t FirstShown(size_t first, size_t at, size_t rows, size_t page) {
  if (at < first) first = at;
  if (at >= first + page) first = at - page + 1;
  const size_t last = rows > page ? rows - page : 0;
  return std::min(first, last);
}

std::vector<Line> Rows(const Table& table, size_t width, size_t page, ViewState* state) {
  Place& place = state->place();
  const Fitted fitted = FitColumns(table, width);
  std::vector<Line> lines = {HeadingOf(table, fitted, place, width)};
  if (table.rows.empty()) {
    for (std::string& line : WrapCells(table.empty, width)) lines.push_back({{std::move(line)}});
    return lines;
  }
  const size_t at = SelectedIndex(table, place);
  // What has taken the place of a row that is gone is selected from now on.
  if (!place.selected.empty()) place.selected = table.rows[at].key;
  place.at = at;
  place.first = FirstShown(place.first, at, table.rows.size(), page);
  const size_t end = std::min(place.first + page, table.rows.size());
  for (size_t i = place.first; i < end; ++i) {
    lines.push_back(RowLine(table, fitted, table.rows[i], i == at, width));
  }
  return lines;
}

}  // namespace

std::vector<Line> LayOut(const Summary& summary, const Shown& shown, Size size, ViewState* state) {
  const size_t width = std::max<size_t>(size.width, 1);
  const bool shortened = size.height < kShortScreen;
  std::vector<Line> lines = Head(summary, width, shortened);
  if (!shortened) lines.push_back({});
  lines.push_back({{FitEnd(WhereText(shown, state->place()), width), Style::kStrong}});
  constexpr size_t kFoot = 2;
  const size_t above = lines.size() + (shown.is_table ? 1 : 0) + kFoot;
  const size_t page = size.height > above ? size.height - above : 1;
  state->page = page;
  if (shown.is_table) {
    const std::vector<Line> rows = Rows(shown.table, width, page, state);
    lines.insert(lines.end(), rows.begin(), rows.end());
  } else {
    const std::vector<Line> detail = DetailLines(shown.detail, width);
    Place& place = state->place();
    place.first = std::min(place.first, detail.size() > page ? detail.size() - page : 0);
    const size_t end = std::min(place.first + page, detail.size());
    for (size_t i = place.first; i < end; ++i) lines.push_back(detail[i]);
    if (end < detail.size() && !lines.empty()) {
      lines.back() = {
          {FitEnd(fmt::format("... {} more lines below", detail.size() - end + 1), width),
           Style::kDim}};
    }
  }
  lines.resize(size.height > kFoot ? size.height - kFoot : 0);
  const std::vector<Line> foot = Foot(*state, width);
  lines.insert(lines.end(), foot.begin(), foot.end());
  lines.resize(size.height);
  return lines;
}

std::string PlainScreen(const Summary& summary, const Shown& shown, size_t width) {
  const Place no_place;
  std::vector<Line> lines = Head(summary, width, false);
  lines.push_back({});
  const Fitted fitted = FitColumns(shown.table, width);
  lines.push_back(HeadingOf(shown.table, fitted, no_place, width));
  for (const Row& row : shown.table.rows) {
    lines.push_back(RowLine(shown.table, fitted, row, false, width));
  }
  if (shown.table.rows.empty()) {
    for (std::string& line : WrapCells(shown.table.empty, width)) {
      lines.push_back({{std::move(line)}});
    }
  }
  std::string text;
  for (const Line& line : lines) {
    for (const Span& span : line) text += span.text;
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

}  // namespace pqleash::reporter::top
