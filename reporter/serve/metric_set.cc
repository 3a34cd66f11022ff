// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/metric_set.h"

#include <algorithm>
#include <limits>

#include "reporter/serve/metrics.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

// Bounds from 64 µs to 67 s, each twice the one before: bucket i ends at 2^i µs.
constexpr size_t kFirstBound = 6;
constexpr size_t kLastBound = 26;

}  // namespace

std::string LabelValue(std::string_view text) {
  // Longer texts than these are cut before they are looked at: no ledger shall cost us time.
  return CutEnd(Escape(text.substr(0, 4 * kMaxLabelColumns)), kMaxLabelColumns);
}

prometheus::ClientMetric& MetricSet::Sample(const std::string& name, const std::string& help,
                                            prometheus::MetricType type, Labels labels) {
  Family& family = families_[name];
  if (family.family.name.empty()) {
    family.family.name = name;
    family.family.help = help;
    family.family.type = type;
  }
  std::vector<prometheus::ClientMetric>& samples = family.family.metric;
  const auto [found, is_new] = family.samples.try_emplace(std::move(labels), samples.size());
  if (is_new) {
    prometheus::ClientMetric& sample = samples.emplace_back();
    for (const auto& [label, value] : found->first) sample.label.push_back({label, value});
  }
  return samples[found->second];
}

void MetricSet::AddCounter(const std::string& name, const std::string& help, Labels labels,
                           double value) {
  Sample(name, help, prometheus::MetricType::Counter, std::move(labels)).counter.value += value;
}

void MetricSet::AddGauge(const std::string& name, const std::string& help, Labels labels,
                         double value) {
  Sample(name, help, prometheus::MetricType::Gauge, std::move(labels)).gauge.value += value;
}

void MetricSet::MaxGauge(const std::string& name, const std::string& help, Labels labels,
                         double value) {
  double& largest =
      Sample(name, help, prometheus::MetricType::Gauge, std::move(labels)).gauge.value;
  largest = std::max(largest, value);
}

void MetricSet::AddTimes(const std::string& name, const std::string& help, Labels labels,
                         std::span<const uint64_t> times) {
  auto& histogram =
      Sample(name, help, prometheus::MetricType::Histogram, std::move(labels)).histogram;
  histogram.bucket.resize(kLastBound - kFirstBound + 2);
  histogram.sample_sum += static_cast<double>(times[0]) / 1e9;
  uint64_t counted = 0;
  for (size_t i = 0; i + 1 < times.size(); ++i) {
    counted += times[i + 1];
    if (i < kFirstBound || i > kLastBound) continue;
    prometheus::ClientMetric::Bucket& bucket = histogram.bucket[i - kFirstBound];
    bucket.upper_bound = static_cast<double>(uint64_t{1} << i) / 1e6;
    bucket.cumulative_count += counted;
  }
  histogram.sample_count += counted;
  histogram.bucket.back() = {histogram.sample_count, std::numeric_limits<double>::infinity()};
}

std::vector<prometheus::MetricFamily> MetricSet::Take() {
  std::vector<prometheus::MetricFamily> families;
  for (auto& [name, family] : families_) families.push_back(std::move(family.family));
  families_.clear();
  return families;
}

}  // namespace pqleash::reporter
