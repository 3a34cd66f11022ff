// SPDX-License-Identifier: Apache-2.0
//
// Forms in which the languages of a process keep an address that their programs treat as a number:
// a program that holds a PGconn so can still finish it. Pure.

#ifndef PQLEASH_REPORTER_REACHABILITY_ENCODINGS_H_
#define PQLEASH_REPORTER_REACHABILITY_ENCODINGS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "reporter/reachability/module_images.h"

namespace pqleash::reporter {

struct Encodings {
  // CPython keeps an int as digits of 30 bits, the lowest first, 4 bytes each, behind 8 bytes with
  // their number (longintrepr.h): the two of an address are one word of 8 bytes. Of an address
  // below 2^30 there is one digit, which is no word: it is looked for behind two bytes of that
  // number, which are zero; the bytes behind it may be anything.
  bool python_digits = false;
  // Ruby keeps an Integer n of up to 62 bits as 2n + 1 (special_consts.h).
  bool ruby_fixnum = false;
  // JavaScript and Lua 5.1 keep a number as a double.
  bool floating = false;
};

// By the names of what the process has loaded.
Encodings EncodingsIn(const std::vector<ModuleImage>& images);

// The lower 48 bits of the words that stand for `address`, which is below 2^47.
std::vector<uint64_t> EncodedForms(uint64_t address, const Encodings& encodings);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_ENCODINGS_H_
