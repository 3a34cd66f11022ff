// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/table.h"

#include <algorithm>

namespace pqleash::reporter::top {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool Holds(const std::string& text, const std::string& part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return Lower(a) == Lower(b); }) != text.end();
}

// Whether `a` comes before `b`, as sorted from the top.
bool Before(const Cell& a, const Cell& b, bool reverse) {
  if (!a.number && !b.number) return reverse ? a.text > b.text : a.text < b.text;
  if (!a.number || !b.number) return a.number.has_value();
  return reverse ? *a.number < *b.number : *a.number > *b.number;
}

}  // namespace

std::optional<size_t> ColumnOf(const Table& table, const std::string& key) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].key == key) return i;
  }
  return std::nullopt;
}

void SortRows(const std::string& key, bool reverse, Table* table) {
  const std::optional<size_t> column = ColumnOf(*table, key);
  if (!column) return;
  std::stable_sort(table->rows.begin(), table->rows.end(), [&](const Row& a, const Row& b) {
    return Before(a.cells[*column], b.cells[*column], reverse);
  });
}

void FilterRows(const std::string& filter, Table* table) {
  if (filter.empty()) return;
  std::erase_if(table->rows, [&](const Row& row) {
    return std::none_of(row.cells.begin(), row.cells.end(),
                        [&](const Cell& cell) { return Holds(cell.text, filter); });
  });
}

}  // namespace pqleash::reporter::top
