// SPDX-License-Identifier: Apache-2.0
//
// What holds of everything that is shown, whatever was read: a target that only looks for crashes
// would miss a terminal that is steered.

#ifndef PQLEASH_TESTS_FUZZ_CHECK_H_
#define PQLEASH_TESTS_FUZZ_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pqleash::fuzz {

// Ends the process with a message when it does not hold.
void Check(bool holds, const char* what, std::string_view text = {});

// Of text for people: no byte that steers a terminal, but for line ends and, where `colour` is
// asked for, the attributes ESC [ … m; and UTF-8.
void CheckText(std::string_view text, bool colour);

// A document in ASCII without control bytes but for line ends.
void CheckAscii(std::string_view text);

// A file that is gone when the process ends in an orderly way, in $TMPDIR (scripts/fuzz has one of
// its own): readers want a path.
class InputFile {
 public:
  InputFile();
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  void Write(const uint8_t* data, size_t size);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int fd_ = -1;
};

// The same for the same bytes: chooses what is too slow to be done each time.
uint32_t ChoiceOf(const uint8_t* data, size_t size);

}  // namespace pqleash::fuzz

#endif  // PQLEASH_TESTS_FUZZ_CHECK_H_
