// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/html.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "reporter/render/json.h"
#include "reporter/web/assets.h"

namespace pqleash::reporter {
namespace {

unsigned Nibble(char digit) {
  return static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

// Base64 of the bytes that are given as hexadecimal digits.
std::string Base64(std::string_view hex) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  // Three nibbles make two digits.
  for (size_t i = 0; i < hex.size(); i += 3) {
    unsigned bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 4 | (i + k < hex.size() ? Nibble(hex[i + k]) : 0);
    text += kDigits[bits >> 6];
    if (i + 2 < hex.size() || hex.size() - i == 2) text += kDigits[bits & 63];
  }
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::string Source(std::string_view asset) {
  return fmt::format("'sha256-{}'", Base64(AssetSha256(asset)));
}

// The file that an element of the page's names, in its attribute `attribute`.
std::string_view NameIn(std::string_view line, std::string_view attribute) {
  const size_t begin = line.find(attribute);
  if (begin == std::string_view::npos) return {};
  line.remove_prefix(begin + attribute.size());
  return line.substr(0, line.find('"'));
}

// Walks through the page line by line, which index.html is laid out for: what it loads, and its
// policy, have a line each.
class Page {
 public:
  explicit Page(std::string data) : data_(std::move(data)) {}

  std::string Inline(std::string_view html) {
    std::string page;
    while (!html.empty()) {
      const size_t end = html.find('\n');
      const std::string_view line = html.substr(0, end);
      html.remove_prefix(end == std::string_view::npos ? html.size() : end + 1);
      page += InlineLine(line, html);
    }
    return page;
  }

 private:
  std::string InlineLine(std::string_view line, std::string_view rest) {
    if (line.find("http-equiv=\"Content-Security-Policy\"") != std::string_view::npos) {
      return fmt::format(
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src "
          "data:; base-uri 'none'; form-action 'none'; script-src{}; style-src{}\">\n",
          Sources(rest, "<script src=\""), Sources(rest, "<link rel=\"stylesheet\" href=\""));
    }
    if (const auto name = NameIn(line, "<link rel=\"stylesheet\" href=\""); !name.empty()) {
      return fmt::format("<style>{}</style>\n", Asset(name));
    }
    if (const auto name = NameIn(line, "<script src=\""); !name.empty()) {
      std::string data;
      data.swap(data_);  // before the first script
      return fmt::format("{}<script>{}</script>\n", data, Asset(name));
    }
    return std::string(line) + '\n';
  }

  static std::string Sources(std::string_view html, std::string_view element) {
    std::string sources;
    for (size_t at = html.find(element); at != std::string_view::npos;
         at = html.find(element, at + 1)) {
      sources += ' ' + Source(NameIn(html.substr(at), element));
    }
    return sources;
  }

  std::string data_;
};

}  // namespace

std::string ScriptData(const std::string& ascii_json) {
  std::string data;
  data.reserve(ascii_json.size());
  // In JSON these are in strings alone, where an escape means the same.
  for (const char byte : ascii_json) {
    if (byte == '<' || byte == '>' || byte == '&') {
      data += fmt::format("\\u{:04x}", static_cast<unsigned>(byte));
    } else {
      data += byte;
    }
  }
  return data;
}

void RenderReportHtml(const Report& report, std::ostream& out) {
  const std::string json =
      ReportJson(report).dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  Page page(fmt::format("<script type=\"application/json\" id=\"pqleash-data\">{}</script>\n",
                        ScriptData(json)));
  out << page.Inline(Asset("index.html"));
}

}  // namespace pqleash::reporter
