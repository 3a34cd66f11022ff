// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_ASSETS_H_
#define PQLEASH_REPORTER_SERVE_ASSETS_H_

#include <span>
#include <string_view>

namespace pqleash::reporter {

// A file of reporter/web, which the build has put into the program.
struct Asset {
  std::string_view path;  // '/app.js'
  std::string_view type;  // of its content
  std::string_view content;
};

std::span<const Asset> Assets();

// By the path of a request, '/' for the page; nullptr: there is none.
const Asset* FindAsset(std::string_view path);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_ASSETS_H_
