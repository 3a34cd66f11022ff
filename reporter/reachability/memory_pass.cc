// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/memory_pass.h"

#include "reporter/reachability/address_filter.h"

namespace pqleash::reporter {

PassResult PassOver(ProcessView* view, const std::vector<AddressRange>& targets,
                    const PassOptions& options, const Sighted& sighted) {
  PassResult result;
  result.complete = true;
  if (targets.empty()) return result;
  const AddressFilter filter(targets);
  MemoryReader& reader = view->reader();
  const std::vector<Region>& regions = view->regions();
  const auto begin = Deadline::Clock::now();
  const uint64_t read_before = reader.bytes_read();
  uint64_t all = 0;
  for (const Region& region : regions) all += region.range.size();
  uint64_t done = 0;
  std::vector<Sighting> sightings;
  for (size_t i = 0; i < regions.size() && result.complete; ++i) {
    const Region& region = regions[options.backwards ? regions.size() - 1 - i : i];
    const uint64_t passed_over = reader.bytes_passed_over();
    result.complete =
        reader.ForEachPiece(region.range, [&](uint64_t address, const uint8_t* data, size_t size) {
          sightings.clear();
          filter.Find(data, size, &sightings);
          for (const Sighting& sighting : sightings) {
            sighted(sighting.target, address + sighting.offset, sighting.address);
          }
          if (options.progress) options.progress(done + address - region.range.begin, all);
          return !options.deadline->Over();
        });
    done += region.range.size();
    if (view->MayBeElsewhere(view->parts().mappings[region.mapping])) {
      result.unread_shared += reader.bytes_passed_over() - passed_over;
    }
  }
  result.bytes = reader.bytes_read() - read_before;
  result.ns = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Deadline::Clock::now() - begin).count());
  result.complete = result.complete && reader.refused() == 0;
  return result;
}

}  // namespace pqleash::reporter
