// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/pprof.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <map>
#include <memory>
#include <protozero/pbf_builder.hpp>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "reporter/render/pprof_fields.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

using namespace pprof;  // NOLINT(google-build-using-namespace): the names of fields alone

constexpr uint64_t kPage = 4096;
// Of the first module: no address of ours is 0.
constexpr uint64_t kFirstAddress = 0x10000000;
// Ledgers are hostile: sizes that no file has must not wrap addresses around.
constexpr uint64_t kMaxModuleSize = uint64_t{1} << 40;

struct Mapping {
  uint64_t memory_start = 0;
  uint64_t address = 0;  // of the file: what memory_start stands for
  uint64_t file_offset = 0;
  uint64_t size = 0;  // whole pages
  bool functions = true;
  bool filenames = true;
  bool lines = true;
};

struct Values {
  uint64_t connections = 0;
  uint64_t age_ns = 0;
  uint64_t idle_ns = 0;
};

using ModuleKey = std::pair<std::string, std::string>;
using FunctionKey = std::tuple<int64_t, int64_t, int64_t>;  // name, system name, file
using LineKey = std::tuple<uint64_t, uint32_t, uint32_t>;   // function, line, column
using LabelKey = std::tuple<int64_t, int64_t, int64_t>;     // key, string, number
struct LocationKey {
  uint64_t mapping = 0;
  uint64_t address = 0;
  std::vector<LineKey> lines;
  auto operator<=>(const LocationKey&) const = default;
};
using SampleKey = std::pair<std::vector<uint64_t>, std::vector<LabelKey>>;

// Numbers from 1 in the order in which keys are first seen.
template <typename Key>
class Numbers {
 public:
  uint64_t Of(const Key& key) {
    const auto [at, is_new] = numbers_.try_emplace(key, numbers_.size() + 1);
    if (is_new) order_.push_back(&at->first);
    return at->second;
  }
  const std::vector<const Key*>& order() const { return order_; }

 private:
  std::map<Key, uint64_t> numbers_;
  std::vector<const Key*> order_;
};

std::string BuildIdText(const std::string& bytes) {
  std::string digits;
  for (const char byte : bytes) {
    digits += fmt::format("{:02x}", static_cast<unsigned>(static_cast<unsigned char>(byte)));
  }
  return digits;
}

std::string TargetName(const Target& target) {
  return fmt::format("{}@{}", Escape(target.dbname), Escape(target.host));
}

std::string ThreadName(const ReportConnection& connection) {
  if (connection.thread_name.empty()) return std::to_string(connection.tid);
  return fmt::format("{} {}", connection.tid, Escape(connection.thread_name));
}

class Builder {
 public:
  explicit Builder(const Report& report) : report_(report) {
    for (const ReportModule& module : report.modules) {
      modules_[{module.path, module.build_id}] = &module;
    }
    for (const ReportCallSite& site : report.call_sites) NoteLowest(site.frames);
    for (const ReportCallSite& site : report.call_sites) Add(site);
  }

  std::string Message() {
    std::string message;
    protozero::pbf_builder<ProfileField> profile(message);
    WriteSampleTypes(&profile);
    WriteSamples(&profile);
    WriteMappings(&profile);
    WriteLocations(&profile);
    WriteFunctions(&profile);
    const int64_t comment =
        String("open connections by the code that opened them; pqleash " PQLEASH_VERSION);
    const int64_t connections = String("connections");
    profile.add_string(ProfileField::kStringTable, "");
    for (const std::string* text : strings_.order()) {
      profile.add_string(ProfileField::kStringTable, *text);
    }
    profile.add_int64(ProfileField::kTimeNanos,
                      static_cast<int64_t>(report_.generated_realtime_ns));
    profile.add_int64(ProfileField::kComment, comment);
    profile.add_int64(ProfileField::kDefaultSampleType, connections);
    return message;
  }

 private:
  int64_t String(const std::string& text) {
    return text.empty() ? 0 : static_cast<int64_t>(strings_.Of(text));
  }

  void NoteLowest(const std::vector<SourceFrame>& frames) {
    for (const SourceFrame& frame : frames) {
      if (frame.module.empty() || frame.offset == 0) continue;
      const auto [at, is_new] =
          lowest_.try_emplace({frame.module, frame.build_id}, frame.offset - 1);
      if (!is_new) at->second = std::min(at->second, frame.offset - 1);
    }
  }

  void Add(const ReportCallSite& site) {
    const std::vector<uint64_t> locations = LocationsOf(site.frames);
    for (const ReportConnection& connection : site.connections) {
      Values& values = samples_[{locations, LabelsOf(connection)}];
      ++values.connections;
      values.age_ns += connection.age_ns;
      values.idle_ns += connection.idle_ns;
    }
  }

  std::vector<LabelKey> LabelsOf(const ReportConnection& connection) {
    return {{String("target"), String(TargetName(connection.target)), 0},
            {String("thread"), String(ThreadName(connection)), 0},
            {String("service"), String(Escape(connection.service)), 0},
            {String("state"), String(std::string(NameOf(connection.state))), 0},
            {String("pid"), 0, connection.pid}};
  }

  // One location for what was inlined at one address.
  std::vector<uint64_t> LocationsOf(const std::vector<SourceFrame>& frames) {
    std::vector<uint64_t> locations;
    for (size_t begin = 0; begin < frames.size();) {
      size_t end = begin;
      while (end + 1 < frames.size() && frames[end].inlined) ++end;
      locations.push_back(LocationOf(frames, begin, end + 1));
      begin = end + 1;
    }
    if (frames.empty()) {
      SourceFrame unknown;
      unknown.function = "[no stack recorded]";
      locations.push_back(LocationOf({unknown}, 0, 1));
    }
    return locations;
  }

  uint64_t LocationOf(const std::vector<SourceFrame>& frames, size_t begin, size_t end) {
    const SourceFrame& outer = frames[end - 1];
    LocationKey key;
    if (outer.language == Language::kNative) Place(outer, &key);
    for (size_t i = begin; i < end; ++i) {
      const SourceFrame& frame = frames[i];
      Mapping* mapping = key.mapping == 0 ? nullptr : &mappings_[key.mapping - 1];
      if (mapping != nullptr) {
        mapping->functions &= !frame.function.empty();
        mapping->filenames &= !frame.file.empty();
        mapping->lines &= frame.line != 0;
      }
      // Without any name pprof shows the address, and may look it up.
      if (frame.function.empty() && frame.file.empty()) continue;
      key.lines.emplace_back(FunctionOf(frame), frame.line, frame.column);
    }
    return locations_.Of(key);
  }

  uint64_t FunctionOf(const SourceFrame& frame) {
    const std::string name = frame.function.empty() ? "?" : Escape(frame.function);
    // pprof shortens names that it takes for C++: '<module>' of a script would lose everything.
    const std::string system_name = frame.language == Language::kNative ? name : "";
    return functions_.Of({String(name), String(system_name), String(Escape(frame.file))});
  }

  // Where pprof is to look for the frame's code: in the call, not behind it.
  void Place(const SourceFrame& frame, LocationKey* key) {
    if (frame.offset == 0) return;
    const uint64_t call = frame.offset - 1;
    if (frame.module.empty()) {
      key->address = call;
      return;
    }
    const uint64_t id = MappingOf({frame.module, frame.build_id});
    const Mapping& mapping = mappings_[id - 1];
    // Beyond its module an address means nothing.
    if (call < mapping.address || call - mapping.address >= mapping.size) return;
    key->mapping = id;
    key->address = mapping.memory_start + (call - mapping.address);
  }

  uint64_t MappingOf(const ModuleKey& key) {
    const uint64_t id = mapping_ids_.Of(key);
    if (id > mappings_.size()) mappings_.push_back(NewMapping(key));
    return id;
  }

  // Of the module's code, as the loader would map it: it is by the segment that pprof gets from our
  // addresses to the file's.
  Mapping NewMapping(const ModuleKey& key) {
    Mapping mapping;
    const auto known = modules_.find(key);
    const ReportModule* module = known == modules_.end() ? nullptr : known->second;
    uint64_t size = module == nullptr || module->size == 0 ? kMaxModuleSize : module->size;
    if (module != nullptr && module->code) {
      const uint64_t in_page = module->code->address % kPage;
      mapping.address = module->code->address - in_page;
      mapping.file_offset =
          module->code->file_offset - std::min(in_page, module->code->file_offset);
      size = std::min(module->code->size, kMaxModuleSize) + in_page;
    } else {
      // Without the file: most have their code as far from the begin as in memory.
      const uint64_t first = module == nullptr ? 0 : module->first_address;
      mapping.address = std::max(first, lowest_[key]) / kPage * kPage;
      mapping.file_offset = mapping.address - std::min(first, mapping.address);
      size -= std::min(size, mapping.file_offset);
    }
    mapping.size = (std::clamp(size, kPage, kMaxModuleSize) + kPage - 1) / kPage * kPage;
    mapping.memory_start = next_address_;
    next_address_ += mapping.size + kPage;
    return mapping;
  }

  void WriteSampleTypes(protozero::pbf_builder<ProfileField>* profile) {
    constexpr std::pair<const char*, const char*> kTypes[] = {
        {"connections", "count"}, {"age", "nanoseconds"}, {"idle", "nanoseconds"}};
    for (const auto& [type, unit] : kTypes) {
      protozero::pbf_builder<ValueTypeField> value(*profile, ProfileField::kSampleType);
      value.add_int64(ValueTypeField::kType, String(type));
      value.add_int64(ValueTypeField::kUnit, String(unit));
    }
  }

  void WriteSamples(protozero::pbf_builder<ProfileField>* profile) {
    for (const auto& [key, values] : samples_) {
      const auto& [locations, labels] = key;
      protozero::pbf_builder<SampleField> sample(*profile, ProfileField::kSample);
      sample.add_packed_uint64(SampleField::kLocationId, locations.begin(), locations.end());
      const int64_t numbers[] = {Number(values.connections), Number(values.age_ns),
                                 Number(values.idle_ns)};
      sample.add_packed_int64(SampleField::kValue, std::begin(numbers), std::end(numbers));
      for (const auto& [name, text, number] : labels) {
        protozero::pbf_builder<LabelField> label(sample, SampleField::kLabel);
        label.add_int64(LabelField::kKey, name);
        if (text != 0) label.add_int64(LabelField::kStr, text);
        if (text == 0) label.add_int64(LabelField::kNum, number);
      }
    }
  }

  // Sums of hostile times may be anything.
  static int64_t Number(uint64_t value) {
    return static_cast<int64_t>(std::min(value, uint64_t{INT64_MAX}));
  }

  void WriteMappings(protozero::pbf_builder<ProfileField>* profile) {
    for (size_t i = 0; i < mappings_.size(); ++i) {
      const Mapping& mapping = mappings_[i];
      const auto& [path, build_id] = *mapping_ids_.order()[i];
      protozero::pbf_builder<MappingField> out(*profile, ProfileField::kMapping);
      out.add_uint64(MappingField::kId, i + 1);
      out.add_uint64(MappingField::kMemoryStart, mapping.memory_start);
      out.add_uint64(MappingField::kMemoryLimit, mapping.memory_start + mapping.size);
      out.add_uint64(MappingField::kFileOffset, mapping.file_offset);
      out.add_int64(MappingField::kFilename, String(Escape(path)));
      out.add_int64(MappingField::kBuildId, String(BuildIdText(build_id)));
      out.add_bool(MappingField::kHasFunctions, mapping.functions);
      out.add_bool(MappingField::kHasFilenames, mapping.filenames);
      out.add_bool(MappingField::kHasLineNumbers, mapping.lines);
      out.add_bool(MappingField::kHasInlineFrames, mapping.functions);
    }
  }

  void WriteLocations(protozero::pbf_builder<ProfileField>* profile) {
    uint64_t id = 0;
    for (const LocationKey* key : locations_.order()) {
      protozero::pbf_builder<LocationField> location(*profile, ProfileField::kLocation);
      location.add_uint64(LocationField::kId, ++id);
      if (key->mapping != 0) location.add_uint64(LocationField::kMappingId, key->mapping);
      if (key->address != 0) location.add_uint64(LocationField::kAddress, key->address);
      for (const auto& [function, number, column] : key->lines) {
        protozero::pbf_builder<LineField> line(location, LocationField::kLine);
        line.add_uint64(LineField::kFunctionId, function);
        if (number != 0) line.add_int64(LineField::kLine, number);
        if (column != 0) line.add_int64(LineField::kColumn, column);
      }
    }
  }

  void WriteFunctions(protozero::pbf_builder<ProfileField>* profile) {
    uint64_t id = 0;
    for (const FunctionKey* key : functions_.order()) {
      const auto [name, system_name, file] = *key;
      protozero::pbf_builder<FunctionField> function(*profile, ProfileField::kFunction);
      function.add_uint64(FunctionField::kId, ++id);
      function.add_int64(FunctionField::kName, name);
      if (system_name != 0) function.add_int64(FunctionField::kSystemName, system_name);
      if (file != 0) function.add_int64(FunctionField::kFilename, file);
    }
  }

  const Report& report_;
  std::map<ModuleKey, const ReportModule*> modules_;
  std::map<ModuleKey, uint64_t> lowest_;  // address in the file of a call
  Numbers<std::string> strings_;
  Numbers<FunctionKey> functions_;
  Numbers<LocationKey> locations_;
  Numbers<ModuleKey> mapping_ids_;
  std::vector<Mapping> mappings_;  // as mapping_ids_
  std::map<SampleKey, Values> samples_;
  uint64_t next_address_ = kFirstAddress;
};

// Without a time and a name in its header.
std::string Gzip(const std::string& bytes) {
  z_stream stream = {};
  constexpr int kGzipWindow = 15 + 16;
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, deflateEnd);
  std::string compressed(deflateBound(&stream, bytes.size()), '\0');
  // zlib does not write to its input.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(compressed.data());
  stream.avail_out = static_cast<uInt>(compressed.size());
  // With room for all, one call does it.
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::length_error("profile of over 4 GiB");
  compressed.resize(stream.total_out);
  return compressed;
}

}  // namespace

std::string PprofMessage(const Report& report) { return Builder(report).Message(); }

void RenderPprof(const Report& report, std::ostream& out) { out << Gzip(PprofMessage(report)); }

}  // namespace pqleash::reporter
