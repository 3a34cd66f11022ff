// SPDX-License-Identifier: Apache-2.0

#include "tests/exports/profile_reader.h"

#include <fmt/format.h>
#include <zlib.h>

#include <protozero/pbf_message.hpp>
#include <set>
#include <stdexcept>

#include "reporter/render/pprof_fields.h"

namespace pqleash::reporter {
namespace {

using namespace pprof;  // NOLINT(google-build-using-namespace): the names of fields alone

template <typename Field>
using Message = protozero::pbf_message<Field>;

ProfileLabel ReadLabel(Message<LabelField> message) {
  ProfileLabel label;
  while (message.next()) {
    switch (message.tag()) {
      case LabelField::kKey:
        label.key = message.get_int64();
        break;
      case LabelField::kStr:
        label.text = message.get_int64();
        break;
      case LabelField::kNum:
        label.number = message.get_int64();
        break;
      default:
        message.skip();
    }
  }
  return label;
}

ProfileSample ReadSample(Message<SampleField> message) {
  ProfileSample sample;
  while (message.next()) {
    switch (message.tag()) {
      case SampleField::kLocationId:
        for (const uint64_t id : message.get_packed_uint64()) sample.locations.push_back(id);
        break;
      case SampleField::kValue:
        for (const int64_t value : message.get_packed_int64()) sample.values.push_back(value);
        break;
      case SampleField::kLabel:
        sample.labels.push_back(ReadLabel(message.get_message()));
        break;
      default:
        message.skip();
    }
  }
  return sample;
}

ProfileMapping ReadMapping(Message<MappingField> message) {
  ProfileMapping mapping;
  while (message.next()) {
    switch (message.tag()) {
      case MappingField::kId:
        mapping.id = message.get_uint64();
        break;
      case MappingField::kMemoryStart:
        mapping.memory_start = message.get_uint64();
        break;
      case MappingField::kMemoryLimit:
        mapping.memory_limit = message.get_uint64();
        break;
      case MappingField::kFileOffset:
        mapping.file_offset = message.get_uint64();
        break;
      case MappingField::kFilename:
        mapping.filename = message.get_int64();
        break;
      case MappingField::kBuildId:
        mapping.build_id = message.get_int64();
        break;
      case MappingField::kHasFunctions:
        mapping.has_functions = message.get_bool();
        break;
      default:
        message.skip();
    }
  }
  return mapping;
}

ProfileLine ReadLine(Message<LineField> message) {
  ProfileLine line;
  while (message.next()) {
    switch (message.tag()) {
      case LineField::kFunctionId:
        line.function = message.get_uint64();
        break;
      case LineField::kLine:
        line.line = message.get_int64();
        break;
      default:
        message.skip();
    }
  }
  return line;
}

ProfileLocation ReadLocation(Message<LocationField> message) {
  ProfileLocation location;
  while (message.next()) {
    switch (message.tag()) {
      case LocationField::kId:
        location.id = message.get_uint64();
        break;
      case LocationField::kMappingId:
        location.mapping = message.get_uint64();
        break;
      case LocationField::kAddress:
        location.address = message.get_uint64();
        break;
      case LocationField::kLine:
        location.lines.push_back(ReadLine(message.get_message()));
        break;
      default:
        message.skip();
    }
  }
  return location;
}

ProfileFunction ReadFunction(Message<FunctionField> message) {
  ProfileFunction function;
  while (message.next()) {
    switch (message.tag()) {
      case FunctionField::kId:
        function.id = message.get_uint64();
        break;
      case FunctionField::kName:
        function.name = message.get_int64();
        break;
      case FunctionField::kFilename:
        function.filename = message.get_int64();
        break;
      default:
        message.skip();
    }
  }
  return function;
}

std::pair<int64_t, int64_t> ReadValueType(Message<ValueTypeField> message) {
  std::pair<int64_t, int64_t> type;
  while (message.next()) {
    (message.tag() == ValueTypeField::kType ? type.first : type.second) = message.get_int64();
  }
  return type;
}

// Rules on the records of one kind: ids are not 0 and unique. The ids.
template <typename Record>
std::set<uint64_t> CheckIds(const std::vector<Record>& records, const char* kind,
                            std::vector<std::string>* broken) {
  std::set<uint64_t> ids;
  for (const Record& record : records) {
    if (record.id == 0) broken->push_back(fmt::format("a {} has id 0", kind));
    if (!ids.insert(record.id).second) {
      broken->push_back(fmt::format("two {}s have id {}", kind, record.id));
    }
  }
  return ids;
}

class Strings {
 public:
  Strings(const Profile& profile, std::vector<std::string>* broken)
      : count_(profile.strings.size()), broken_(broken) {}
  void Check(int64_t index, const char* what) {
    if (index >= 0 && static_cast<size_t>(index) < count_) return;
    broken_->push_back(fmt::format("{} is string {} of {}", what, index, count_));
  }

 private:
  size_t count_;
  std::vector<std::string>* broken_;
};

}  // namespace

std::map<std::string, std::string> Profile::Labels(const ProfileSample& sample) const {
  std::map<std::string, std::string> labels;
  for (const ProfileLabel& label : sample.labels) {
    labels[Text(label.key)] = label.text != 0 ? Text(label.text) : std::to_string(label.number);
  }
  return labels;
}

std::vector<std::string> Profile::Stack(const ProfileSample& sample) const {
  std::vector<std::string> stack;
  for (const uint64_t id : sample.locations) {
    const ProfileLocation& location = locations.at(id - 1);
    for (const ProfileLine& line : location.lines) {
      stack.push_back(Text(functions.at(line.function - 1).name));
    }
    if (location.lines.empty()) stack.push_back(fmt::format("{:#x}", location.address));
  }
  return stack;
}

std::string Gunzip(std::string_view bytes) {
  z_stream stream = {};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) throw std::runtime_error("inflateInit2");
  std::string whole;
  char part[4096];
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  int result = Z_OK;
  while (result == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(part);
    stream.avail_out = sizeof part;
    result = inflate(&stream, Z_NO_FLUSH);
    whole.append(part, sizeof part - stream.avail_out);
  }
  const bool all = stream.avail_in == 0;
  inflateEnd(&stream);
  if (result != Z_STREAM_END || !all) throw std::runtime_error("not one gzip stream");
  return whole;
}

Profile ReadProfile(const std::string& bytes) {
  Profile profile;
  Message<ProfileField> message(bytes);
  while (message.next()) {
    switch (message.tag()) {
      case ProfileField::kSampleType:
        profile.sample_types.push_back(ReadValueType(message.get_message()));
        break;
      case ProfileField::kSample:
        profile.samples.push_back(ReadSample(message.get_message()));
        break;
      case ProfileField::kMapping:
        profile.mappings.push_back(ReadMapping(message.get_message()));
        break;
      case ProfileField::kLocation:
        profile.locations.push_back(ReadLocation(message.get_message()));
        break;
      case ProfileField::kFunction:
        profile.functions.push_back(ReadFunction(message.get_message()));
        break;
      case ProfileField::kStringTable:
        profile.strings.push_back(message.get_string());
        break;
      case ProfileField::kTimeNanos:
        profile.time_ns = message.get_int64();
        break;
      case ProfileField::kComment:
        profile.comments.push_back(message.get_int64());
        break;
      case ProfileField::kDefaultSampleType:
        profile.default_sample_type = message.get_int64();
        break;
      default:
        throw std::runtime_error("unknown field");
    }
  }
  return profile;
}

std::vector<std::string> BrokenRules(const Profile& profile) {
  std::vector<std::string> broken;
  if (profile.strings.empty() || !profile.strings[0].empty()) {
    broken.emplace_back("the first string is not empty");
  }
  if (profile.sample_types.empty()) broken.emplace_back("there is no sample type");
  Strings strings(profile, &broken);
  bool default_is_a_type = false;
  for (const auto& [type, unit] : profile.sample_types) {
    strings.Check(type, "a sample type");
    strings.Check(unit, "a unit");
    default_is_a_type |= type == profile.default_sample_type;
  }
  if (!default_is_a_type) broken.emplace_back("the default sample type is none of them");
  const std::set<uint64_t> mappings = CheckIds(profile.mappings, "mapping", &broken);
  const std::set<uint64_t> functions = CheckIds(profile.functions, "function", &broken);
  const std::set<uint64_t> locations = CheckIds(profile.locations, "location", &broken);
  uint64_t limit = 0;
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> ranges;
  for (const ProfileMapping& mapping : profile.mappings) {
    if (mapping.memory_start >= mapping.memory_limit || mapping.memory_start < limit) {
      broken.push_back(fmt::format("mapping {} is empty or out of order", mapping.id));
    }
    limit = mapping.memory_limit;
    ranges[mapping.id] = {mapping.memory_start, mapping.memory_limit};
    strings.Check(mapping.filename, "a mapping's file");
    strings.Check(mapping.build_id, "a build id");
  }
  for (const ProfileFunction& function : profile.functions) {
    strings.Check(function.name, "a function's name");
    strings.Check(function.filename, "a function's file");
  }
  for (const ProfileLocation& location : profile.locations) {
    if (location.mapping != 0 && mappings.count(location.mapping) == 0) {
      broken.push_back(fmt::format("location {} has no mapping", location.id));
    } else if (location.mapping != 0 && (location.address < ranges[location.mapping].first ||
                                         location.address >= ranges[location.mapping].second)) {
      broken.push_back(fmt::format("location {} is not in its mapping", location.id));
    }
    for (const ProfileLine& line : location.lines) {
      if (functions.count(line.function) == 0) {
        broken.push_back(fmt::format("location {} has no function", location.id));
      }
    }
  }
  for (const ProfileSample& sample : profile.samples) {
    if (sample.values.size() != profile.sample_types.size()) {
      broken.push_back(fmt::format("a sample has {} values", sample.values.size()));
    }
    if (sample.locations.empty()) broken.emplace_back("a sample has no stack");
    for (const uint64_t id : sample.locations) {
      if (locations.count(id) == 0) broken.push_back(fmt::format("location {} is missing", id));
    }
    for (const ProfileLabel& label : sample.labels) {
      strings.Check(label.key, "a label's key");
      strings.Check(label.text, "a label");
      if (label.key == 0) broken.emplace_back("a label has no key");
      if (label.text != 0 && label.number != 0) broken.emplace_back("a label is text and number");
    }
  }
  return broken;
}

}  // namespace pqleash::reporter
