// SPDX-License-Identifier: Apache-2.0
//
// Caps and paces as they are written in a configuration file, made into policies.

#ifndef PQLEASH_SHIM_CONFIG_POLICIES_H_
#define PQLEASH_SHIM_CONFIG_POLICIES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/caps/policy.h"

namespace pqleash::config {

// A key and its value.
struct WrittenValue {
  enum class Type { kText, kNumber, kOther };

  std::string key;
  std::string text;  // of kText; of kNumber: in decimal
  Type type;
  uint32_t line;
};

// A table [[cap]] or [[pace]].
struct WrittenPolicy {
  caps::Kind kind;
  uint32_t line;
  std::vector<WrittenValue> values;  // in the order of the file
};

struct SourcedPolicy {
  caps::Policy policy;
  std::string source;  // 'FILE:LINE' or 'PQLEASH_LIMIT'
  bool complete;       // nothing was wrong with it by itself
};

// A policy for each of `written`, up to one more than there may be. What is wrong with each by
// itself is added to `problems`, a sentence for each value. `settings`: the keys that stand outside
// of the tables.
std::vector<SourcedPolicy> ReadPolicies(const std::string& file,
                                        const std::vector<WrittenPolicy>& written,
                                        const std::vector<std::string>& settings,
                                        std::vector<std::string>* problems);

// The policy that the settings limit, on_limit and wait_timeout make: named 'limit'.
caps::Policy LimitPolicy(uint32_t limit, caps::OnLimit on_limit, uint32_t wait_timeout_ms);

// Adds to `problems` what is wrong with policies that are right by themselves: names given twice,
// caps that contradict each other, too many.
void CompareEach(const std::vector<SourcedPolicy>& policies, std::vector<std::string>* problems);

// What the policy does, in few words: '20 wait 5s service dbname=billing*'.
std::string Describe(const caps::Policy& policy);

// The matchers that are given: key and glob, or the id of the call site as reports have it. Not
// escaped.
using Matcher = std::pair<std::string_view, std::string>;
std::vector<Matcher> Matchers(const caps::Policy& policy);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_POLICIES_H_
