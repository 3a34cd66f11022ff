// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <utility>

#include "reporter/commands/command.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {

struct CommandLine::Implementation {
  explicit Implementation(const std::string& description) : app(description) {}

  CLI::App app;
};

CommandLine::CommandLine(const std::string& description)
    : implementation_(std::make_unique<Implementation>(description)) {}

CommandLine::~CommandLine() = default;

void CommandLine::SetFooter(const std::string& text) { implementation_->app.footer(text); }

void CommandLine::LetLastHold() {
  implementation_->app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void CommandLine::AddFlag(const std::string& name, bool* given, const std::string& help) {
  implementation_->app.add_flag(name, *given, help);
}

void CommandLine::AddFlagWithText(const std::string& name, const std::string& alone,
                                  std::string* text, const std::string& help) {
  implementation_->app.add_flag(name + "{" + alone + "}", *text, help);
}

void CommandLine::AddText(const std::string& name, const std::string& kind, std::string* text,
                          const std::string& help) {
  implementation_->app.add_option(name, *text, help)->type_name(kind);
}

void CommandLine::AddTexts(const std::string& name, const std::string& kind,
                           std::vector<std::string>* texts, const std::string& help) {
  implementation_->app.add_option(name, *texts, help)->type_name(kind)->expected(1)->take_all();
}

void CommandLine::AddTaken(const std::string& name, const std::string& kind,
                           std::function<Complaint(const std::string&)> take,
                           const std::string& help) {
  const auto take_or_throw = [name, take = std::move(take)](const std::string& text) {
    if (const Complaint complaint = take(text)) throw CLI::ValidationError(name, *complaint);
  };
  implementation_->app.add_option_function<std::string>(name, take_or_throw, help)->type_name(kind);
}

void CommandLine::AddTakenList(const std::string& name, const std::string& kind,
                               std::function<Complaint(const std::vector<std::string>&)> take,
                               const std::string& help) {
  const auto take_or_throw = [name, take = std::move(take)](const std::vector<std::string>& texts) {
    if (const Complaint complaint = take(texts)) throw CLI::ValidationError(name, *complaint);
  };
  implementation_->app.add_option_function<std::vector<std::string>>(name, take_or_throw, help)
      ->type_name(kind)
      ->delimiter(',')
      ->expected(1)
      ->take_all();
}

void CommandLine::AddNumber(const std::string& name, const std::string& kind, NumberRange range,
                            std::function<void(int32_t)> take, const std::string& help) {
  const auto take_number = [take = std::move(take)](const int32_t& number) { take(number); };
  implementation_->app.add_option_function<int32_t>(name, take_number, help)
      ->type_name(kind)
      ->check(CLI::Range(range.low, range.high));
}

void CommandLine::AddNumbers(const std::string& name, const std::string& kind, NumberRange range,
                             std::vector<int32_t>* numbers, const std::string& help) {
  implementation_->app.add_option(name, *numbers, help)
      ->type_name(kind)
      ->check(CLI::Range(range.low, range.high))
      ->expected(1)
      ->take_all();
}

void CommandLine::AddOperand(const std::string& name, std::string* text, const std::string& help) {
  AddText(name, "", text, help);
}

void CommandLine::AddOperands(const std::string& name, std::vector<std::string>* texts,
                              const std::string& help) {
  implementation_->app.add_option(name, *texts, help)->type_name("");
}

void CommandLine::Require(const std::string& name) {
  implementation_->app.get_option(name)->required();
}

void CommandLine::Needs(const std::string& name, const std::string& other) {
  implementation_->app.get_option(name)->needs(implementation_->app.get_option(other));
}

std::optional<int> CommandLine::Parse(const std::string& command, const Arguments& arguments) {
  CLI::App& app = implementation_->app;
  app.name("pqleash " + command);
  Arguments reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return FinishOutput();
  } catch (const CLI::ParseError& error) {
    std::string what = error.what();
    std::replace(what.begin(), what.end(), '\n', ' ');
    Diagnose(command + ": " + what + "; see `pqleash " + command + " --help`");
    return kUsage;
  }
}

bool CommandLine::Given(const std::string& name) const {
  return implementation_->app.count(name) != 0;
}

}  // namespace pqleash::reporter
