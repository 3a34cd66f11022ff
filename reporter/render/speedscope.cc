// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/speedscope.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

#include "reporter/render/json_values.h"
#include "reporter/words/escape.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

// Each distinct frame once, as the format wants it.
class FrameTable {
 public:
  size_t Index(Json frame) {
    const auto [at, is_new] = indexes_.try_emplace(frame.dump(), frames_.size());
    if (is_new) frames_.push_back(std::move(frame));
    return at->second;
  }
  Json Take() { return std::move(frames_); }

 private:
  std::map<std::string, size_t> indexes_;
  Json frames_ = Json::array();
};

Json ToJson(const SourceFrame& frame) {
  Json json = {{"name", FlameName(frame)}};
  if (!frame.file.empty()) {
    json["file"] = Escape(frame.file);
  } else if (!frame.module.empty()) {
    json["file"] = Escape(frame.module);
  }
  if (frame.line != 0) json["line"] = frame.line;
  if (frame.column != 0) json["col"] = frame.column;
  return json;
}

}  // namespace

void RenderSpeedscope(const Report& report, const ExportOptions& options, std::ostream& out) {
  FrameTable table;
  Json samples = Json::array();
  Json weights = Json::array();
  uint64_t total = 0;
  for (const OpenStack& stack : OpenStacks(report)) {
    Json sample = Json::array();
    sample.push_back(table.Index({{"name", Escape(stack.service)}}));
    const auto frames = ShownFrames(stack.site->frames, options);
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
      sample.push_back(table.Index(ToJson(**frame)));
    }
    if (frames.empty()) sample.push_back(table.Index({{"name", "[no stack recorded]"}}));
    samples.push_back(std::move(sample));
    weights.push_back(stack.open);
    total += stack.open;
  }
  const std::string name = fmt::format("open connections, {}, {} UTC", Escape(report.host),
                                       UtcTime(report.generated_realtime_ns));
  Json profile = {{"type", "sampled"},
                  {"name", "open connections"},
                  {"unit", "none"},
                  {"startValue", 0},
                  {"endValue", total},
                  {"samples", std::move(samples)},
                  {"weights", std::move(weights)}};
  WriteJson({{"$schema", "https://www.speedscope.app/file-format-schema.json"},
             {"exporter", "pqleash@" PQLEASH_VERSION},
             {"name", name},
             {"activeProfileIndex", 0},
             {"shared", {{"frames", table.Take()}}},
             {"profiles", Json::array({std::move(profile)})}},
            out);
}

}  // namespace pqleash::reporter
