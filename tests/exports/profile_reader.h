// SPDX-License-Identifier: Apache-2.0
//
// Profiles of pprof's format as plain values, and the rules that its own reader holds them to.

#ifndef PQLEASH_TESTS_EXPORTS_PROFILE_READER_H_
#define PQLEASH_TESTS_EXPORTS_PROFILE_READER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter {

struct ProfileMapping {
  uint64_t id = 0;
  uint64_t memory_start = 0;
  uint64_t memory_limit = 0;
  uint64_t file_offset = 0;
  int64_t filename = 0;
  int64_t build_id = 0;
  bool has_functions = false;
};

struct ProfileLine {
  uint64_t function = 0;
  int64_t line = 0;
};

struct ProfileLocation {
  uint64_t id = 0;
  uint64_t mapping = 0;
  uint64_t address = 0;
  std::vector<ProfileLine> lines;
};

struct ProfileFunction {
  uint64_t id = 0;
  int64_t name = 0;
  int64_t filename = 0;
};

struct ProfileLabel {
  int64_t key = 0;
  int64_t text = 0;
  int64_t number = 0;
};

struct ProfileSample {
  std::vector<uint64_t> locations;
  std::vector<int64_t> values;
  std::vector<ProfileLabel> labels;
};

struct Profile {
  std::vector<std::pair<int64_t, int64_t>> sample_types;  // type, unit
  std::vector<ProfileSample> samples;
  std::vector<ProfileMapping> mappings;
  std::vector<ProfileLocation> locations;
  std::vector<ProfileFunction> functions;
  std::vector<std::string> strings;
  std::vector<int64_t> comments;
  int64_t default_sample_type = 0;
  int64_t time_ns = 0;

  const std::string& Text(int64_t index) const { return strings.at(static_cast<size_t>(index)); }
  // 'target' → 'shop@10.0.0.3'; numbers in decimal.
  std::map<std::string, std::string> Labels(const ProfileSample& sample) const;
  // Functions, innermost first; '0x…' of a location without one.
  std::vector<std::string> Stack(const ProfileSample& sample) const;
};

// What gzip holds. Throws where it is none.
std::string Gunzip(std::string_view bytes);

// Throws where it is no protobuf message.
Profile ReadProfile(const std::string& message);

// A sentence for each rule that is broken.
std::vector<std::string> BrokenRules(const Profile& profile);

}  // namespace pqleash::reporter

#endif  // PQLEASH_TESTS_EXPORTS_PROFILE_READER_H_
