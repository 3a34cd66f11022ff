// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "reporter/words/escape.h"

namespace pqleash::reporter::top {
namespace {

constexpr uint32_t kMostConnections = 1'000'000;
constexpr size_t kMostTyped = 60;  // bytes

void AppendUtf8(char32_t c, std::string* text) {
  const auto byte = [&](char32_t bits) { *text += static_cast<char>(bits); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xc0 | c >> 6);
    byte(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    byte(0xe0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3f));
    byte(0x80 | (c & 0x3f));
  } else {
    byte(0xf0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3f));
    byte(0x80 | (c >> 6 & 0x3f));
    byte(0x80 | (c & 0x3f));
  }
}

void RemoveLast(std::string* text) {
  while (!text->empty() && (text->back() & 0xc0) == 0x80) text->pop_back();
  if (!text->empty()) text->pop_back();
}

class Pressing {
 public:
  Pressing(const Key& key, const Shown& shown, ViewState* state)
      : key_(key), shown_(shown), state_(*state) {}

  Effect Run() {
    state_.status.clear();
    state_.status_bad = false;
    switch (state_.prompt.kind) {
      case Prompt::Kind::kFilter:
        Filter();
        break;
      case Prompt::Kind::kLimit:
        Limit();
        break;
      case Prompt::Kind::kConfirm:
        Confirm();
        break;
      case Prompt::Kind::kNone:
        Browse();
        break;
    }
    return effect_;
  }

 private:
  using Kind = Key::Kind;
  bool Is(Kind kind) const { return key_.kind == kind; }
  char32_t Character() const { return Is(Kind::kCharacter) ? key_.character : 0; }
  bool IsDigit() const { return Character() >= '0' && Character() <= '9'; }

  const Row* Selected() const {
    const Table& table = shown_.table;
    if (!shown_.is_table || table.rows.empty()) return nullptr;
    return &table.rows[SelectedIndex(table, state_.place())];
  }

  void Say(std::string status, bool bad = false) {
    state_.status = std::move(status);
    state_.status_bad = bad;
  }

  // --- prompts ---

  void Filter() {
    Prompt& prompt = state_.prompt;
    if (Is(Kind::kEscape)) {
      state_.place().filter = prompt.before;
      prompt = {};
    } else if (Is(Kind::kEnter)) {
      prompt = {};
    } else {
      if (Is(Kind::kBackspace)) RemoveLast(&prompt.text);
      if (Character() != 0 && prompt.text.size() < kMostTyped)
        AppendUtf8(Character(), &prompt.text);
      // At once: one sees what it matches.
      state_.place().filter = prompt.text;
    }
  }

  void Limit() {
    Prompt& prompt = state_.prompt;
    if (Is(Kind::kEscape)) {
      prompt = {};
      Say("nothing was changed");
    } else if (Is(Kind::kBackspace)) {
      RemoveLast(&prompt.text);
    } else if (IsDigit() && prompt.text.size() < 7) {
      AppendUtf8(Character(), &prompt.text);
    } else if (Is(Kind::kEnter)) {
      Ask(prompt.text.empty() ? 0 : std::stoul(prompt.text));
    }
  }

  void Ask(uint64_t limit) {
    const CapTarget cap = state_.prompt.cap;
    if (limit < 1 || limit > kMostConnections) {
      state_.prompt = {};
      return Say(
          fmt::format("a limit is a number from 1 to {}: nothing was changed", kMostConnections),
          true);
    }
    state_.prompt = {Prompt::Kind::kConfirm, std::to_string(limit), "", cap};
  }

  void Confirm() {
    Prompt& prompt = state_.prompt;
    const uint32_t limit = static_cast<uint32_t>(std::stoul(prompt.text));
    if (Character() == 'y' || Character() == 'Y') {
      effect_.change = CapChange{prompt.cap, prompt.text};
      prompt = {};
    } else if (Character() == '+') {
      prompt.text = std::to_string(std::min(limit + 1, kMostConnections));
    } else if (Character() == '-') {
      prompt.text = std::to_string(std::max(limit - 1, 1u));
    } else if (Character() == 'n' || Character() == 'N' || Is(Kind::kEscape)) {
      prompt = {};
      Say("nothing was changed");
    }
    // Any other key is a slip: the question stays.
  }

  // --- browsing ---

  void Browse() {
    switch (key_.kind) {
      case Kind::kUp:
        return Move(-1);
      case Kind::kDown:
        return Move(1);
      case Kind::kPageUp:
        return Move(-static_cast<ptrdiff_t>(state_.page));
      case Kind::kPageDown:
        return Move(static_cast<ptrdiff_t>(state_.page));
      case Kind::kHome:
        return MoveTo(0);
      case Kind::kEnd:
        return MoveTo(shown_.is_table ? shown_.table.rows.size() : SIZE_MAX / 2);
      case Kind::kEnter:
      case Kind::kRight:
        return Enter();
      case Kind::kEscape:
        if (!state_.place().filter.empty()) {
          state_.place().filter.clear();
          return;
        }
        return Back();
      case Kind::kBackspace:
      case Kind::kLeft:
        return Back();
      case Kind::kCharacter:
        return Command();
    }
  }

  void Command() {
    switch (Character()) {
      case 'q':
      case 'Q':
        effect_.quit = true;
        return;
      case 'j':
        return Move(1);
      case 'k':
        return Move(-1);
      case 's':
        return NextSort();
      case 'r':
        if (!shown_.is_table) return;
        state_.place().reverse = !state_.place().reverse;
        return;
      case '/':
        if (!shown_.is_table) return;
        state_.prompt = {Prompt::Kind::kFilter, state_.place().filter, state_.place().filter, {}};
        return;
      case 'f':
        return Open(View::kFindings);
      case 'c':
        return Open(View::kCaps);
      case '?':
      case 'h':
        return Open(View::kHelp);
      case 't':
        return Stack();
      default:
        break;
    }
    if (state_.place().view == View::kCaps) ChangeCap();
  }

  void ChangeCap() {
    const bool step = Character() == '+' || Character() == '-';
    if (!step && !IsDigit()) return;
    const Row* row = Selected();
    if (row == nullptr) return;
    if (!row->cap) {
      return Say(
          row->cells.front().text + " is a pace: `pqleash caps set NAME --rate RATE` changes it",
          true);
    }
    state_.prompt.cap = *row->cap;
    if (!step) {
      state_.prompt.kind = Prompt::Kind::kLimit;
      AppendUtf8(Character(), &state_.prompt.text);
      return;
    }
    const uint64_t limit = row->cap->limit;
    Ask(Character() == '+' ? limit + 1 : std::max<uint64_t>(limit, 2) - 1);
  }

  void Move(ptrdiff_t by) {
    const Place& place = state_.place();
    const auto from =
        static_cast<ptrdiff_t>(shown_.is_table ? SelectedIndex(shown_.table, place) : place.first);
    MoveTo(static_cast<size_t>(std::max<ptrdiff_t>(from + by, 0)));
  }

  // In a table to a row, elsewhere to a line; the layout keeps lines from running out.
  void MoveTo(size_t index) {
    Place& place = state_.place();
    if (!shown_.is_table) {
      place.first = index;
      return;
    }
    const std::vector<Row>& rows = shown_.table.rows;
    if (rows.empty()) return;
    place.at = std::min(index, rows.size() - 1);
    place.selected = rows[place.at].key;
  }

  void Enter() {
    const View view = state_.place().view;
    const Row* row = Selected();
    // A call site whose connections are closed still has a stack.
    if (view == View::kConnections && row == nullptr) return Stack();
    if (row == nullptr) return;
    const std::string key = row->key;
    MoveTo(SelectedIndex(shown_.table, state_.place()));
    Place next = state_.place();
    switch (view) {
      case View::kServices:
        next.service = key;
        return Go(View::kCallSites, std::move(next));
      case View::kCallSites:
        next.site = key;
        return Go(View::kConnections, std::move(next));
      case View::kConnections:
        next.item = key;
        return Go(View::kStack, std::move(next));
      case View::kFindings:
        next.item = key;
        return Go(View::kFinding, std::move(next));
      default:
        return;
    }
  }

  void Stack() {
    const View view = state_.place().view;
    Place next = state_.place();
    next.item.clear();
    if (view == View::kCallSites) {
      const Row* row = Selected();
      if (row == nullptr) return;
      next.site = row->key;
    } else if (view != View::kConnections) {
      return;
    }
    Go(View::kStack, std::move(next));
  }

  // One of the views that can be had from everywhere; the key that opened it closes it, too.
  void Open(View view) {
    const View now = state_.place().view;
    if (now == view) return Back();
    // One from the other: not deeper and deeper.
    const bool sideways =
        now == View::kFindings || now == View::kFinding || now == View::kCaps || now == View::kHelp;
    while (sideways && state_.path.size() > 1 &&
           (state_.place().view == View::kFindings || state_.place().view == View::kFinding ||
            state_.place().view == View::kCaps || state_.place().view == View::kHelp)) {
      state_.path.pop_back();
    }
    Place next = state_.place();
    if (next.view == View::kServices) next.service.clear();
    Go(view, std::move(next));
  }

  void Go(View view, Place next) {
    next.view = view;
    next.sort = FirstSort(view);
    next.reverse = false;
    next.filter.clear();
    next.selected.clear();
    next.at = 0;
    next.first = 0;
    state_.path.push_back(std::move(next));
  }

  void Back() {
    if (state_.path.size() > 1) state_.path.pop_back();
  }

  void NextSort() {
    if (!shown_.is_table || shown_.table.columns.empty()) return;
    Place& place = state_.place();
    const auto column = ColumnOf(shown_.table, place.sort);
    const size_t next = column ? (*column + 1) % shown_.table.columns.size() : 0;
    place.sort = shown_.table.columns[next].key;
    place.reverse = false;
  }

  const Key& key_;
  const Shown& shown_;
  ViewState& state_;
  Effect effect_;
};

}  // namespace

Effect Press(const Key& key, const Shown& shown, ViewState* state) {
  return Pressing(key, shown, state).Run();
}

namespace {

// What a new limit at or below what is open does, for which `pqleash caps set` wants --force.
std::string HoldsAllNext(const Prompt& prompt) {
  const CapTarget& cap = prompt.cap;
  const uint64_t limit = std::stoul(prompt.text);
  if (cap.on_limit == caps::kWarn || limit >= cap.limit || limit > cap.open) return {};
  return fmt::format("{} open, all new ones {}: ", cap.open,
                     cap.on_limit == caps::kWait ? "wait" : "refused");
}

}  // namespace

std::string QuestionOf(const Prompt& prompt) {
  const std::string of =
      prompt.cap.service.empty() ? "" : fmt::format(" (service {})", Escape(prompt.cap.service));
  switch (prompt.kind) {
    case Prompt::Kind::kNone:
      return "";
    case Prompt::Kind::kFilter:
      return fmt::format("show rows with: {}_", Escape(prompt.text));
    case Prompt::Kind::kLimit:
      return fmt::format("new limit of cap {}{}, now {}: {}_", Escape(prompt.cap.name), of,
                         prompt.cap.limit, prompt.text);
    case Prompt::Kind::kConfirm:
      return fmt::format("{}set cap {} from {} to {}{}? y/n", HoldsAllNext(prompt),
                         Escape(prompt.cap.name), prompt.cap.limit, prompt.text, of);
  }
  return "";
}

}  // namespace pqleash::reporter::top
