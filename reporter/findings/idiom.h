// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_FINDINGS_IDIOM_H_
#define PQLEASH_REPORTER_FINDINGS_IDIOM_H_

#include <string_view>

#include "reporter/call_sites/call_site_group.h"

namespace pqleash::reporter {

// What somebody writes who uses the library that connects at a call site, in its own language.
// Parts of sentences, never empty, without a full stop; they live for ever.
struct Idiom {
  std::string_view close;        // how a connection is closed or given back: 'PQfinish'
  std::string_view scope;        // what does so on every path
  std::string_view transaction;  // what ends a transaction on every path
  std::string_view broken;       // what notices that the server has closed a connection
};

// By the scripts' files and the modules in the stack of `group`; libpq's own where they tell
// nothing. Pure.
Idiom IdiomOf(const CallSiteGroup& group);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_IDIOM_H_
