// SPDX-License-Identifier: Apache-2.0
//
// Turns the [[cap]] and [[pace]] tables of a configuration file into policies. Pure: no file, no
// environment, no clock. All functions may throw std::bad_alloc.

#ifndef PQLEASH_SHIM_CONFIG_POLICIES_H_
#define PQLEASH_SHIM_CONFIG_POLICIES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/caps/policy.h"

namespace pqleash::config {

// A key of a table, its value, and its line.
struct WrittenValue {
  enum class Type { kText, kNumber, kOther };

  std::string key;
  std::string text;  // the text; the decimal digits if the type is kNumber
  Type type;
  // Line in the file, from 1.
  uint32_t line;
};

// One table [[cap]] or [[pace]].
struct WrittenPolicy {
  caps::Kind kind;
  // Line of the table's header, from 1.
  uint32_t line;
  std::vector<WrittenValue> values;  // in the order of the file
};

// A policy, and where it was configured.
struct SourcedPolicy {
  caps::Policy policy;
  std::string source;  // 'FILE:LINE' or 'PQLEASH_LIMIT'
  bool complete;       // no value of this policy is invalid by itself
};

// Returns a policy for each element of `written`, but at most one more than kMaxPolicies, so that
// CompareEach can report the excess. Adds a sentence to `problems` for each value that is invalid
// by itself. `file` is the path for those sentences. `settings` are the keys outside of the tables,
// which a typing error may have meant.
std::vector<SourcedPolicy> ReadPolicies(const std::string& file,
                                        const std::vector<WrittenPolicy>& written,
                                        const std::vector<std::string>& settings,
                                        std::vector<std::string>* problems);

// Returns the policy for the settings limit, on_limit and wait_timeout: a cap of scope process
// named 'limit'.
caps::Policy LimitPolicy(uint32_t limit, caps::OnLimit on_limit, uint32_t wait_timeout_ms);

// Adds sentences to `problems` about policies that are valid by themselves but not together: a name
// given twice, caps that contradict each other, more than kMaxPolicies.
void CompareEach(const std::vector<SourcedPolicy>& policies, std::vector<std::string>* problems);

// Returns what the policy does, in a few words, such as '20 wait 5s service dbname=billing*'.
std::string Describe(const caps::Policy& policy);

// Returns the matchers of a policy: each key with its glob, or 'call_site' with the id as reports
// print it. The texts are not escaped.
using Matcher = std::pair<std::string_view, std::string>;
std::vector<Matcher> Matchers(const caps::Policy& policy);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_POLICIES_H_
