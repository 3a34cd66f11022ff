// SPDX-License-Identifier: Apache-2.0
//
// What a key does to the view. Pure: what cannot be done here is returned.

#ifndef PQLEASH_REPORTER_TOP_KEYS_H_
#define PQLEASH_REPORTER_TOP_KEYS_H_

#include <optional>
#include <string>

#include "reporter/top/model.h"
#include "reporter/top/view_state.h"

namespace pqleash::reporter::top {

struct Key {
  enum class Kind {
    kCharacter,
    kUp,
    kDown,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kLeft,
    kRight,
    kEnter,
    kBackspace,
    kEscape,
  };
  Kind kind = Kind::kCharacter;
  char32_t character = 0;  // of kCharacter: one that may be shown
};

struct CapChange {
  CapTarget cap;
  std::string limit;  // digits
};

struct Effect {
  bool quit = false;
  std::optional<CapChange> change;  // the user has said yes to it
};

// `shown` is what was on the screen when the key was pressed.
Effect Press(const Key& key, const Shown& shown, ViewState* state);

// The question of the prompt, for the last line; empty: none. Escaped.
std::string QuestionOf(const Prompt& prompt);

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_KEYS_H_
