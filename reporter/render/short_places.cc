// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/short_places.h"

#include <algorithm>

#include "reporter/words/escape.h"

namespace pqleash::reporter {

std::string ShortPlaces(std::string text, size_t columns) {
  constexpr size_t kDots = 3;  // that CutFront puts there
  for (size_t open = text.find(" ("); open != std::string::npos && text.size() > columns;
       open = text.find(" (", open + 1)) {
    const size_t begin = open + 2;
    const size_t end = text.find(')', begin);
    if (end == std::string::npos) break;
    const std::string place = text.substr(begin, end - begin);
    const size_t slash = place.rfind('/');
    if (slash == std::string::npos) continue;
    const size_t excess = text.size() - columns;
    const size_t least = place.size() - slash + kDots;
    const size_t kept = std::max(least, place.size() > excess ? place.size() - excess : 0);
    text.replace(begin, place.size(), CutFront(place, kept));
  }
  return CutEnd(text, columns);
}

}  // namespace pqleash::reporter
