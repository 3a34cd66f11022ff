// SPDX-License-Identifier: Apache-2.0

#include "shim/config/shape.h"

#include <algorithm>

namespace pqleash::config {

namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::optional<Excess> Run() {
    if (text_.size() > kMaxFileSize) return Excess{1, Excess::Kind::kSize};
    while (at_ < text_.size()) {
      const char letter = text_[at_];
      if (letter == '"' || letter == '\'') {
        if (!SkipString()) return Excess{line_, Excess::Kind::kCharacter};
        continue;
      }
      if (letter == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      }
      if (const auto kind = Take(letter)) return Excess{line_, *kind};
      ++at_;
    }
    return std::nullopt;
  }

 private:
  // Handles a character outside of strings and comments.
  std::optional<Excess::Kind> Take(char letter) {
    switch (letter) {
      case '.':
        if (++dots_ >= kMaxKeyParts) return Excess::Kind::kKeyParts;
        return std::nullopt;
      case '[':
      case '{':
        dots_ = 0;
        if (++depth_ > kMaxNesting) return Excess::Kind::kNesting;
        return std::nullopt;
      case ']':
      case '}':
        dots_ = 0;
        // An unmatched closing bracket is a syntax error that the parser reports.
        if (depth_ > 0) --depth_;
        return std::nullopt;
      case '\n':
        ++line_;
        dots_ = 0;
        return std::nullopt;
      case '=':
      case ',':
        dots_ = 0;
        return std::nullopt;
      default:
        if (BeginsUntabled()) return Excess::Kind::kCharacter;
        return std::nullopt;
    }
  }

  bool Begins(std::string_view with) const { return text_.substr(at_).starts_with(with); }

  // Whether a character from U+FB26 to U+FEFE begins here. In UTF-8 these are EF AC A6 to EF BB BE.
  bool BeginsUntabled() const {
    const std::string_view character = text_.substr(at_, 3);
    return character.size() == 3 && character >= "\xef\xac\xa6" && character <= "\xef\xbb\xbe";
  }

  // Whether the backslash here escapes the next byte, a quote or a backslash.
  bool EscapesNext() const {
    return at_ + 1 < text_.size() && (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\');
  }

  // Returns false at a character that must not be in the string.
  bool SkipString() {
    const std::string_view quotes = text_[at_] == '"' ? "\"\"\"" : "'''";
    const bool basic = text_[at_] == '"';
    const bool of_lines = Begins(quotes);
    const std::string_view end = of_lines ? quotes : quotes.substr(0, 1);
    for (at_ += end.size(); at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') {
        if (!of_lines) return true;  // a syntax error that the parser reports
        ++line_;
      } else if (basic && of_lines && BeginsUntabled()) {
        return false;
      } else if (basic && text_[at_] == '\\' && EscapesNext()) {
        ++at_;
      } else if (Begins(end)) {
        at_ += end.size();
        // Up to two quotes may precede the three that end the string.
        for (int i = 0; of_lines && i < 2 && Begins(quotes.substr(0, 1)); ++i) ++at_;
        return true;
      }
    }
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  uint32_t depth_ = 0;
  uint32_t dots_ = 0;  // dots in the key that is being read
};

}  // namespace

std::optional<Excess> FindExcess(std::string_view text) { return Scanner(text).Run(); }

}  // namespace pqleash::config
