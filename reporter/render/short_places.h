// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_SHORT_PLACES_H_
#define PQLEASH_REPORTER_RENDER_SHORT_PLACES_H_

#include <cstddef>
#include <string>

namespace pqleash::reporter {

// `text`, escaped, with 'function (path:line)' in it, in at most `columns`: paths lose their first
// directories before anything is lost at the end, since the file and the line are what is looked
// for.
std::string ShortPlaces(std::string text, size_t columns);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_SHORT_PLACES_H_
