// SPDX-License-Identifier: Apache-2.0

#include "tests/preload/host_catalogue.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string_view>

namespace pqleash::testing {

namespace {

constexpr size_t kColumns = 7;
constexpr std::string_view kOr = " or ";  // between two ends

// 0: none.
int Number(const std::string& text) { return static_cast<int>(strtol(text.c_str(), nullptr, 10)); }

std::string Trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" `");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" `") - first + 1);
}

// The cells of a line '| a | b |'. A '|' inside a cell is written '\|'.
std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::string cell;
  for (size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '|') {
      cell += line[++i];
    } else if (line[i] == '|') {
      cells.push_back(Trimmed(cell));
      cell.clear();
    } else {
      cell += line[i];
    }
  }
  return cells;
}

}  // namespace

bool CatalogueRow::known_fault() const { return preloaded.starts_with("known fault"); }

bool CatalogueRow::Names(const std::string& name) const {
  if (program.ends_with('*')) return name.starts_with(program.substr(0, program.size() - 1));
  return name == program;
}

HostCatalogue::HostCatalogue(const std::string& path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.size() < 3 || line[0] != '|' || Number(line.substr(1)) == 0) continue;
    const std::vector<std::string> cells = Cells(line);
    if (cells.size() != kColumns) throw std::runtime_error("not of seven columns: " + line);
    CatalogueRow row = {Number(cells[0]), cells[1], cells[2], cells[3],
                        cells[4],         cells[5], cells[6]};
    if (row.program.starts_with("none")) row.program.clear();
    rows_.push_back(row);
  }
  if (rows_.empty()) throw std::runtime_error(path + " has no rows");
}

std::vector<std::string> HostCatalogue::BareEnds(const std::string& name) const {
  std::string end;
  bool exact = false;
  for (const CatalogueRow& row : rows_) {
    if (!row.tried() || !row.Names(name)) continue;
    if (exact && row.program != name) continue;
    const bool first_exact = row.program == name && !exact;
    if (!first_exact && !end.empty() && end != row.bare) return {};
    exact = exact || first_exact;
    end = row.bare;
  }
  std::vector<std::string> ends;
  while (!end.empty()) {
    const size_t length = end.find(kOr);
    const std::string one = end.substr(0, length);
    ends.push_back(one.starts_with("exit ") ? "exit code " + one.substr(5) : one);
    end = length == std::string::npos ? "" : end.substr(length + kOr.size());
  }
  return ends;
}

bool HostCatalogue::KnownFault(const std::string& name) const {
  return std::any_of(rows_.begin(), rows_.end(), [&](const CatalogueRow& row) {
    return row.tried() && row.known_fault() && row.Names(name);
  });
}

}  // namespace pqleash::testing
