// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_FINDINGS_FINDING_H_
#define PQLEASH_REPORTER_FINDINGS_FINDING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/findings/severity.h"
#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

// A number that a finding rests on.
struct Evidence {
  std::string name;
  double number = 0;
  std::string unit;  // 'connections', 'commands', 's', '%'; empty: none
};

// A stack that a finding is about. Without frames it is to be looked up by its id.
struct FindingStack {
  std::string what;  // 'opened at'
  uint64_t call_site = 0;
  std::vector<SourceFrame> frames;
};

// The line that took the most of its connections last, where that is another than the one that
// opened them.
struct LastTaken {
  uint64_t call_site = 0;    // id
  std::string line;          // 'order (handlers.py:42)', with a caller where one tells it apart
  uint64_t connections = 0;  // that were last taken there
  uint64_t known = 0;        // of which it is known where
};

// To 'is it a leak, or is the limit too small?'
struct Answer {
  enum class Verdict {
    kNone,  // nothing is wrong
    kLeak,
    kTooSmall,
    kTooLarge,
    kDemand,
    kChurn,
    kServer,      // it is full, and no fault of what is watched is seen
    kOther,       // something else is wrong: the sentence names the first finding
    kEarly,       // too early to judge; the sentence says until when
    kUnobserved,  // nothing was looked at
  };
  Verdict verdict = Verdict::kNone;
  std::string sentence;  // with the numbers; without a full stop
};

// 'leak', 'too-small' and so on, as in JSON.
std::string_view NameOf(Answer::Verdict verdict);
// kOther for words that a later version may have.
Answer::Verdict VerdictNamed(std::string_view name);

// One fault of the observed programs. Strings may hold bytes from those programs: escape them
// before showing.
struct Finding {
  std::string kind;  // of a DetectorEntry
  Confidence confidence = Confidence::kLikely;
  Severity severity = Severity::kWarning;
  std::string summary;                // one sentence without a full stop
  std::optional<uint64_t> call_site;  // id
  std::vector<uint64_t> other_sites;  // ids of further call sites that it is about as well
  std::vector<Evidence> evidence;
  std::string advice;                // what to do, one sentence
  std::vector<FindingStack> stacks;  // where it takes more than one to see the fault
  std::optional<LastTaken> last_taken;
  // Connections that it is about: ranks findings, see FindAll.
  uint64_t connections = 0;
  std::optional<Answer> answer;    // of the kinds that answer that question
  std::vector<std::string> hosts;  // in a report of several: where it was found, by name
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_FINDING_H_
