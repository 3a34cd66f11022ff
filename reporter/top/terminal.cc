// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/terminal.h"

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1  // they take names such as 'move' away
#include <langinfo.h>
#include <ncurses.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "reporter/top/cells.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter::top {
namespace {

constexpr int kEndSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum Pair : short { kAlarmPair = 1, kWarningPair = 2 };

volatile std::sig_atomic_t end_signal = 0;
struct sigaction before[std::size(kEndSignals)];
sigset_t mask_before;

void NoteSignal(int number) { end_signal = number; }

// They arrive while we wait, and at no other time: none is missed between a look and a sleep, and
// none interrupts ncurses in the middle of a line. The window's change of size is among them.
void HoldSignals() {
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGWINCH);
  struct sigaction action = {};
  action.sa_handler = NoteSignal;
  for (size_t i = 0; i < std::size(kEndSignals); ++i) {
    sigaddset(&held, kEndSignals[i]);
    sigaction(kEndSignals[i], &action, &before[i]);
    // What whoever started us has ignored stays so, as under nohup.
    if (before[i].sa_handler == SIG_IGN) sigaction(kEndSignals[i], &before[i], nullptr);
  }
  pthread_sigmask(SIG_BLOCK, &held, &mask_before);
}

void ReleaseSignals() {
  for (size_t i = 0; i < std::size(kEndSignals); ++i) {
    sigaction(kEndSignals[i], &before[i], nullptr);
  }
  pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
}

attr_t AttributesOf(Style style, bool colour) {
  switch (style) {
    case Style::kPlain:
      return A_NORMAL;
    case Style::kStrong:
      return A_BOLD;
    case Style::kHeading:
      return A_UNDERLINE;
    case Style::kSelected:
      return A_REVERSE;
    case Style::kWarning:
      return colour ? COLOR_PAIR(kWarningPair) : A_NORMAL;
    case Style::kAlarm:
      return colour ? A_BOLD | COLOR_PAIR(kAlarmPair) : A_BOLD;
    case Style::kDim:
      return A_DIM;
  }
  return A_NORMAL;
}

std::optional<Key> KeyOf(int code) {
  using Kind = Key::Kind;
  switch (code) {
    case KEY_UP:
      return Key{Kind::kUp};
    case KEY_DOWN:
      return Key{Kind::kDown};
    case KEY_PPAGE:
      return Key{Kind::kPageUp};
    case KEY_NPAGE:
      return Key{Kind::kPageDown};
    case KEY_HOME:
      return Key{Kind::kHome};
    case KEY_END:
      return Key{Kind::kEnd};
    case KEY_LEFT:
      return Key{Kind::kLeft};
    case KEY_RIGHT:
      return Key{Kind::kRight};
    case KEY_ENTER:
      return Key{Kind::kEnter};
    case KEY_BACKSPACE:
      return Key{Kind::kBackspace};
    default:
      return std::nullopt;
  }
}

std::optional<Key> CharacterOf(wint_t character) {
  using Kind = Key::Kind;
  if (character == '\n' || character == '\r') return Key{Kind::kEnter};
  if (character == 0x7f || character == '\b') return Key{Kind::kBackspace};
  if (character == 0x1b) return Key{Kind::kEscape};
  if (!IsShowable(static_cast<char32_t>(character))) return std::nullopt;
  return Key{Kind::kCharacter, static_cast<char32_t>(character)};
}

}  // namespace

bool UseOwnLocale() {
  return std::setlocale(LC_CTYPE, "") != nullptr && std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

Terminal::Terminal(bool colour, bool utf8) : colour_(colour), utf8_(utf8) {
  HoldSignals();
  // The window's size as it is, and not as LINES and COLUMNS say it was.
  use_env(FALSE);
  use_tioctl(TRUE);
  if (newterm(nullptr, stdout, stdin) == nullptr) {
    ReleaseSignals();
    const char* term = std::getenv("TERM");
    throw std::runtime_error(std::string("the terminal '") + (term == nullptr ? "" : term) +
                             "' is not known here: set TERM to one that is, such as xterm, or use "
                             "`pqleash top --once`");
  }
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  set_escdelay(25);
  curs_set(0);
  colour_ = colour && has_colors() && start_color() == OK;
  if (!colour_) return;
  const short background = use_default_colors() == OK ? short{-1} : short{COLOR_BLACK};
  init_pair(kAlarmPair, COLOR_RED, background);
  init_pair(kWarningPair, COLOR_YELLOW, background);
}

Terminal::~Terminal() {
  endwin();
  ReleaseSignals();
}

Size Terminal::size() {
  // ncurses notes the signal, and acts on it with a later key alone.
  winsize window = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row > 0 && window.ws_col > 0 &&
      is_term_resized(window.ws_row, window.ws_col)) {
    resize_term(window.ws_row, window.ws_col);
    clearok(stdscr, TRUE);
  }
  return {static_cast<size_t>(getmaxx(stdscr)), static_cast<size_t>(getmaxy(stdscr))};
}

void Terminal::Draw(const std::vector<Line>& lines) {
  erase();
  for (size_t y = 0; y < lines.size(); ++y) {
    move(static_cast<int>(y), 0);
    for (const Span& span : lines[y]) {
      attrset(static_cast<int>(AttributesOf(span.style, colour_)));
      addstr(utf8_ ? span.text.c_str() : ToAscii(span.text).c_str());
    }
  }
  attrset(A_NORMAL);
  refresh();
}

std::optional<Key> Terminal::Read() {
  for (;;) {
    wint_t character = 0;
    const int kind = get_wch(&character);
    if (kind == ERR) return std::nullopt;
    const std::optional<Key> key =
        kind == KEY_CODE_YES ? KeyOf(static_cast<int>(character)) : CharacterOf(character);
    // What is no key of ours is passed over, the window's new size among it.
    if (key) return key;
  }
}

Awaited Terminal::Wait(int news_fd, int timeout_ms) {
  pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {news_fd, POLLIN, 0}};
  const timespec timeout = {timeout_ms / 1'000, timeout_ms % 1'000 * 1'000'000L};
  const int ready = ppoll(fds, std::size(fds), &timeout, &mask_before);
  if (end_signal != 0) return Awaited::kSignal;
  if (ready <= 0) return Awaited::kNothing;
  if ((fds[0].revents & ~POLLIN) != 0) return Awaited::kEnd;
  if (fds[0].revents != 0) return Awaited::kKeys;
  return Awaited::kNews;
}

int Terminal::signal() { return end_signal; }

}  // namespace pqleash::reporter::top
