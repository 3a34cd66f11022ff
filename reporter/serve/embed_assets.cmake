# SPDX-License-Identifier: Apache-2.0
# Turns files into a C++ source that defines Assets() (reporter/serve/assets.h).
#
#   cmake -DOUTPUT=assets.cc -DFILES=a.html;b.js -P embed_assets.cmake

set(types
  "html" "text/html\; charset=utf-8"
  "js" "text/javascript\; charset=utf-8"
  "css" "text/css\; charset=utf-8"
  "svg" "image/svg+xml"
  "png" "image/png"
  "ico" "image/x-icon")

set(arrays "")
set(entries "")
set(number 0)
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME)
  get_filename_component(extension "${file}" LAST_EXT)
  string(SUBSTRING "${extension}" 1 -1 extension)
  list(FIND types "${extension}" index)
  if(index EQUAL -1)
    message(FATAL_ERROR "${file}: no type is known for files that end in .${extension}; add it to embed_assets.cmake")
  endif()
  math(EXPR index "${index} + 1")
  list(GET types ${index} type)
  file(READ "${file}" bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  # A terminating zero, so that no array is empty.
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {${bytes}0};\n")
  string(APPEND entries
    "    {\"/${name}\", \"${type}\",\n"
    "     {reinterpret_cast<const char*>(kFile${number}), sizeof kFile${number} - 1}},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE "${OUTPUT}" "// Made from reporter/web by embed_assets.cmake.

#include \"reporter/serve/assets.h\"

namespace pqleash::reporter {
namespace {

${arrays}
}  // namespace

std::span<const Asset> Assets() {
  static const Asset assets[] = {
${entries}  };
  return assets;
}

const Asset* FindAsset(std::string_view path) {
  if (path == \"/\") path = \"/index.html\";
  for (const Asset& asset : Assets()) {
    if (asset.path == path) return &asset;
  }
  return nullptr;
}

}  // namespace pqleash::reporter
")
