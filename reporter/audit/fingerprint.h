// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_AUDIT_FINGERPRINT_H_
#define PQLEASH_REPORTER_AUDIT_FINGERPRINT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

// The kind that a baseline knows a finding by. Whether a leaked connection is proven to be lost can
// hang on a dead copy of its address: in the next run the same leak may be a suspect only.
std::string_view KnownAs(std::string_view kind);

// What a finding is known by after its code was edited, when the call site's id, which is of
// addresses or lines, has become another: FNV-1a over KnownAs(kind), and function and file name
// (without directory and line) of the application's frames; 16 hexadecimal digits. No value where
// none of these has a function with a name: that would be the fingerprint of many places.
// `library_paths` as for HeadlineFrame. Pure.
std::optional<std::string> Fingerprint(std::string_view kind,
                                       const std::vector<SourceFrame>& frames,
                                       const std::vector<std::string>& library_paths);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_AUDIT_FINGERPRINT_H_
