// SPDX-License-Identifier: Apache-2.0
//
// The files of the page, as they are in this directory, inside of the tool.

#ifndef PQLEASH_REPORTER_WEB_ASSETS_H_
#define PQLEASH_REPORTER_WEB_ASSETS_H_

#include <string_view>

namespace pqleash::reporter {

// The bytes of 'index.html', 'app.js', 'style.css' …: all that index.html
// names. Empty for any other name. Static storage; may be called from any thread.
std::string_view Asset(std::string_view name);

// Their SHA-256, in hexadecimal digits.
std::string_view AssetSha256(std::string_view name);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_WEB_ASSETS_H_
