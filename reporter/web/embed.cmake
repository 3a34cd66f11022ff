# SPDX-License-Identifier: Apache-2.0
# Writes the definition of assets.h: cmake -DOUTPUT=assets.cc -DDIRECTORY=. -DFILES=index.html,app.js -P embed.cmake

string(REPLACE "," ";" names "${FILES}")
set(entries "")
foreach(name IN LISTS names)
  file(READ "${DIRECTORY}/${name}" bytes HEX)
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
  # 24 bytes a line, so that an editor can open the result.
  string(REGEX REPLACE "((\\\\x..)(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?)" "\\1\"\n     \"" bytes "${bytes}")
  file(SHA256 "${DIRECTORY}/${name}" digest)
  string(APPEND entries "    {\"${name}\"sv, \"${digest}\"sv,\n     \"${bytes}\"sv},\n")
endforeach()
file(WRITE "${OUTPUT}" "// Made by reporter/web/embed.cmake.

#include \"reporter/web/assets.h\"

namespace pqleash::reporter {

using namespace std::string_view_literals;

namespace {

struct Entry {
  std::string_view name;
  std::string_view sha256;
  std::string_view bytes;
};

constexpr Entry kEntries[] = {
${entries}};

Entry Find(std::string_view name) {
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return entry;
  }
  return {};
}

}  // namespace

std::string_view Asset(std::string_view name) { return Find(name).bytes; }

std::string_view AssetSha256(std::string_view name) { return Find(name).sha256; }

}  // namespace pqleash::reporter
")
