// SPDX-License-Identifier: Apache-2.0
//
// The options of one command: what the help says of each, and where its value goes. CLI11 reads
// them, in command_line.cc alone: it is large, and every file that includes it compiles it again.

#ifndef PQLEASH_REPORTER_COMMANDS_COMMAND_LINE_H_
#define PQLEASH_REPORTER_COMMANDS_COMMAND_LINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pqleash::reporter {

// What is wrong with a value, in a clause that follows the option's name; no value: nothing.
using Complaint = std::optional<std::string>;

// Both ends are allowed.
struct NumberRange {
  int32_t low;
  int32_t high;
};

// `name` is '--option', or a word in capitals for an operand, which has no dashes. `kind` stands
// for the value in the help. Where a value goes must outlive Parse.
class CommandLine {
 public:
  explicit CommandLine(const std::string& description);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // Shown below the options.
  void SetFooter(const std::string& text);
  // From here on an option may be given again, and its last value holds. Otherwise that is wrong.
  void LetLastHold();

  void AddFlag(const std::string& name, bool* given, const std::string& help);
  // '--option' alone is `alone`, '--option=TEXT' is TEXT.
  void AddFlagWithText(const std::string& name, const std::string& alone, std::string* text,
                       const std::string& help);
  void AddText(const std::string& name, const std::string& kind, std::string* text,
               const std::string& help);
  // One value each time that the option is given.
  void AddTexts(const std::string& name, const std::string& kind, std::vector<std::string>* texts,
                const std::string& help);
  // `take` keeps the value, or says what is wrong with it.
  void AddTaken(const std::string& name, const std::string& kind,
                std::function<Complaint(const std::string&)> take, const std::string& help);
  // Values with commas between, from all times that the option is given.
  void AddTakenList(const std::string& name, const std::string& kind,
                    std::function<Complaint(const std::vector<std::string>&)> take,
                    const std::string& help);
  void AddNumber(const std::string& name, const std::string& kind, NumberRange range,
                 std::function<void(int32_t)> take, const std::string& help);
  // One number each time that the option is given.
  void AddNumbers(const std::string& name, const std::string& kind, NumberRange range,
                  std::vector<int32_t>* numbers, const std::string& help);
  void AddOperand(const std::string& name, std::string* text, const std::string& help);
  void AddOperands(const std::string& name, std::vector<std::string>* texts,
                   const std::string& help);

  // Of what was added: it must be given; it means something beside another one alone.
  void Require(const std::string& name);
  void Needs(const std::string& name, const std::string& other);

  // Reads the arguments of the command, whose name is 'ps' or 'caps set'. A value is the exit code
  // to leave with: help was asked for and printed, or usage is wrong and that was said.
  std::optional<int> Parse(const std::string& command, const std::vector<std::string>& arguments);

  // Whether the option was given, after Parse.
  bool Given(const std::string& name) const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_COMMAND_LINE_H_
