# SPDX-License-Identifier: Apache-2.0
# Writes the definition of assets.h: cmake -DOUTPUT=assets.cc -DDIRECTORY=. -DFILES=index.html,app.js -P embed.cmake

string(REPLACE "," ";" names "${FILES}")
set(entries "")
foreach(name IN LISTS names)
  file(READ "${DIRECTORY}/${name}" bytes HEX)
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
  # 24 bytes a line, so that an editor can open the result.
  string(REGEX REPLACE "((\\\\x..)(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?)" "\\1\"\n     \"" bytes "${bytes}")
  string(APPEND entries "    {\"${name}\"sv,\n     \"${bytes}\"sv},\n")
endforeach()
file(WRITE "${OUTPUT}" "// Made by reporter/web/embed.cmake.

#include \"reporter/web/assets.h\"

namespace pqleash::reporter {

using namespace std::string_view_literals;

std::string_view Asset(std::string_view name) {
  struct Entry {
    std::string_view name;
    std::string_view bytes;
  };
  static constexpr Entry kEntries[] = {
${entries}  };
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return entry.bytes;
  }
  return {};
}

}  // namespace pqleash::reporter
")
