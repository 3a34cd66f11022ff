// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_METRIC_SET_H_
#define PQLEASH_REPORTER_SERVE_METRIC_SET_H_

#include <prometheus/metric_family.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pqleash::reporter {

// Text of another process as the value of a label: escaped as for a terminal, so that it is valid
// UTF-8 of one line, and cut to kMaxLabelColumns.
std::string LabelValue(std::string_view text);

using Labels = std::vector<std::pair<std::string, std::string>>;

// Families under construction. Two samples with the same labels, which different texts may become
// once they are cut, are added up: a series that is there twice makes a whole scrape invalid.
class MetricSet {
 public:
  void AddCounter(const std::string& name, const std::string& help, Labels labels, double value);
  void AddGauge(const std::string& name, const std::string& help, Labels labels, double value);
  // The larger one, instead of the sum.
  void MaxGauge(const std::string& name, const std::string& help, Labels labels, double value);
  // `times`: the sum in ns, then the buckets of a TimeHistogram.
  void AddTimes(const std::string& name, const std::string& help, Labels labels,
                std::span<const uint64_t> times);

  // In order of name. Empties the set.
  std::vector<prometheus::MetricFamily> Take();

 private:
  struct Family {
    prometheus::MetricFamily family;
    std::map<Labels, size_t> samples;  // indexes
  };

  prometheus::ClientMetric& Sample(const std::string& name, const std::string& help,
                                   prometheus::MetricType type, Labels labels);

  std::map<std::string, Family> families_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_METRIC_SET_H_
