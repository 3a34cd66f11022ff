// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/beside_memory.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>

#include "reporter/reachability/address_filter.h"
#include "reporter/reachability/kernel_references.h"
#include "reporter/reachability/registers.h"
#include "reporter/reachability/thread_areas.h"
#include "reporter/reachability/threads.h"

namespace pqleash::reporter {
namespace {

std::string MissingRegisters(const std::vector<Thread>& left_alone) {
  const Thread& first = left_alone.front();
  std::string who = DescribeThread({first}, first.tid);
  if (left_alone.size() > 1) who += fmt::format(" and {} more", left_alone.size() - 1);
  if (first.activity.kind != Activity::Kind::kInCall) {
    return fmt::format("the registers of {} were not read", who);
  }
  return fmt::format(
      "the registers of {} were not read: a look at them would disturb {}; --registers reads "
      "them all the same",
      who, NameOfCall(first.activity.call));
}

class Look {
 public:
  Look(ProcessView* view, const std::vector<AddressRange>& targets, const FoundBeside& found)
      : view_(view), filter_(targets), found_(found) {}

  // `size` bytes that are `where`.
  void At(const void* data, size_t size, const std::string& where) {
    std::vector<uint8_t> padded(size + AddressFilter::kMargin);
    std::memcpy(padded.data(), data, size);
    Report(padded.data(), size, where);
  }

  void AtLiveStack(const Thread& thread) {
    const MemoryView& parts = view_->parts();
    const auto unused = DeadStack(thread, parts.mappings, parts.areas);
    const Mapping* mapping = MappingAt(parts.mappings, thread.stack_pointer);
    if (!unused || mapping == nullptr) return;
    const ThreadArea* area = AreaAt(parts.areas, thread.stack_pointer);
    const uint64_t end = area != nullptr ? area->range.end : mapping->range.end;
    const std::string where = fmt::format("stack of {}", DescribeThread({thread}, thread.tid));
    view_->reader().ForEachPiece({unused->end, end},
                                 [&](uint64_t, const uint8_t* data, size_t size) {
                                   Report(data, size, where);
                                   return true;
                                 });
  }

 private:
  void Report(const uint8_t* data, size_t size, const std::string& where) {
    sightings_.clear();
    filter_.Find(data, size, &sightings_);
    for (const Sighting& sighting : sightings_) found_(sighting.target, where);
  }

  ProcessView* view_;
  const AddressFilter filter_;
  const FoundBeside& found_;
  std::vector<Sighting> sightings_;
};

}  // namespace

std::string LookBesideMemory(ProcessView* view, const std::vector<AddressRange>& targets,
                             bool all_registers, const FoundBeside& found) {
  Look look(view, targets, found);
  const KernelReferences kernel = ReadKernelReferences(view->pid());
  for (const KernelReference& reference : kernel.references) {
    look.At(&reference.value, sizeof reference.value, reference.where);
  }
  const auto register_of = [](const Thread& thread) {
    return fmt::format("register of {}", DescribeThread({thread}, thread.tid));
  };
  const StopOutcome outcome = WithThreadsStopped(
      view->pid(), all_registers, [&](const std::vector<StoppedThread>& threads) {
        for (const StoppedThread& stopped : threads) look.AtLiveStack(stopped.thread);
        for (const StoppedThread& stopped : threads) {
          look.At(stopped.registers.data(), stopped.registers.size(), register_of(stopped.thread));
        }
      });
  // What it was called with can be had all the same.
  for (const Thread& thread : outcome.left_alone) {
    look.At(thread.activity.arguments.data(), sizeof thread.activity.arguments,
            register_of(thread));
  }
  if (!outcome.error.empty()) {
    return fmt::format("its threads' registers cannot be read: {}", outcome.error);
  }
  if (!outcome.left_alone.empty()) return MissingRegisters(outcome.left_alone);
  return kernel.missing;
}

}  // namespace pqleash::reporter
