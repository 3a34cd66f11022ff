// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/board_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "shim/caps/owner_lock.h"

namespace pqleash::reporter {
namespace {

using Kind = LedgerError::Kind;

template <size_t size>
std::string TextOf(const char (&field)[size]) {
  return std::string(field, strnlen(field, size));
}

template <size_t size>
void Terminate(char (&field)[size]) {
  field[size - 1] = '\0';
}

// An array of records inside the bytes. Offset and capacity are checked before use.
struct Array {
  const char* name;
  uint64_t offset;
  uint64_t capacity;
  uint64_t record_size;
};

class BoardReader {
 public:
  BoardReader(std::span<const std::byte> bytes, const std::string& shown_path)
      : bytes_(bytes), shown_path_(shown_path) {}

  BoardResult Read() {
    if (auto error = ReadHeader()) return *std::move(error);
    snapshot_.shared = header_.core.shared != 0;
    snapshot_.pid_namespace = header_.core.pid_namespace;
    snapshot_.uncounted = header_.uncounted;
    snapshot_.repairs = header_.repairs;
    ReadPolicies();
    ReadMembers();
    ReadEntries();
    AddWarnings();
    return std::move(snapshot_);
  }

 private:
  LedgerError Error(Kind kind, const std::string& what) const {
    return {kind, fmt::format("board {} {}", shown_path_, what)};
  }

  std::optional<LedgerError> ReadHeader() {
    const size_t available = std::min(bytes_.size(), sizeof header_);
    if (available > 0) std::memcpy(&header_, bytes_.data(), available);
    const char kZero[sizeof header_.core.magic] = {};
    if (std::memcmp(header_.core.magic, kZero, sizeof kZero) == 0) {
      return Error(Kind::kNotYetWritten,
                   "is not written yet: its process is at its first connect, or died in it; try "
                   "again");
    }
    if (std::memcmp(header_.core.magic, caps::kBoardMagic,
                    std::min(available, sizeof header_.core.magic)) != 0) {
      return Error(Kind::kNotALedger,
                   "does not begin with the mark of a board: remove it while no process uses it");
    }
    if (available < sizeof header_) {
      return Error(Kind::kTruncated,
                   fmt::format("has {} bytes, expected a header of {}: it was truncated; remove it "
                               "and restart the processes that use it",
                               bytes_.size(), sizeof header_));
    }
    return CheckHeader();
  }

  std::optional<LedgerError> CheckHeader() {
    if (header_.core.version != caps::kBoardVersion) {
      return Error(Kind::kOtherVersion,
                   fmt::format("has format version {}, expected {}: read it with the pqleash that "
                               "was installed together with the library of those processes",
                               header_.core.version, caps::kBoardVersion));
    }
    if (header_.core.size > bytes_.size()) {
      return Error(Kind::kTruncated,
                   fmt::format("has {} bytes, expected {}: it was truncated; remove it and restart "
                               "the processes that use it",
                               bytes_.size(), header_.core.size));
    }
    records_ = {"policies", header_.core.shape.records_offset, caps::kMaxPolicies,
                sizeof(caps::Record)};
    members_ = {"members", header_.core.shape.members_offset, header_.core.shape.member_count,
                sizeof(caps::Member)};
    labels_ = {"labels", header_.labels_offset, header_.label_capacity, sizeof(caps::Label)};
    entries_ = {"entries", header_.entries_offset, header_.entry_capacity, sizeof(caps::Entry)};
    for (const Array& array : {records_, members_, labels_, entries_}) {
      const uint64_t size = array.capacity * array.record_size;
      if (array.offset >= sizeof header_ && array.offset <= header_.core.size &&
          size <= header_.core.size - array.offset) {
        continue;
      }
      return Error(Kind::kDamaged,
                   fmt::format("is damaged: {} bytes of {} at {}, expected inside bytes {} to {}; "
                               "remove it and restart the processes that use it",
                               size, array.name, array.offset, sizeof header_, header_.core.size));
    }
    return std::nullopt;
  }

  // `index` below the capacity.
  template <typename Record>
  Record At(const Array& array, uint64_t index) const {
    Record record;
    std::memcpy(&record, bytes_.data() + array.offset + index * sizeof record, sizeof record);
    return record;
  }

  void ReadPolicies() {
    for (uint32_t i = 0; i < caps::kMaxPolicies; ++i) {
      const auto record = At<caps::Record>(records_, i);
      if (record.origin == caps::kFromNobody) continue;
      const bool known_kind = record.filed.kind == caps::kCap || record.filed.kind == caps::kPace;
      if (record.origin > caps::kFromOperator || !known_kind) {
        ++odd_policies_;
        continue;
      }
      in_force_ |= uint64_t{1} << i;
      snapshot_.policies.push_back(PolicyOf(i, record));
    }
  }

  static BoardPolicy PolicyOf(uint32_t number, const caps::Record& record) {
    BoardPolicy policy;
    policy.number = number;
    policy.filed = record.filed;
    Terminate(policy.filed.name);
    Terminate(policy.filed.host);
    Terminate(policy.filed.port);
    Terminate(policy.filed.dbname);
    Terminate(policy.filed.user);
    Terminate(policy.filed.application_name);
    policy.rule = record.rule;
    policy.overridden = record.overridden != 0;
    policy.from_operator = record.origin == caps::kFromOperator;
    policy.service = TextOf(record.service);
    policy.changed_by = static_cast<int32_t>(record.changed_by);
    PolicyCounters& counters = policy.counters;
    counters.use = record.use;
    counters.peak = record.peak;
    counters.waiting = record.waiting;
    counters.admitted = record.admitted;
    counters.warned = record.warned;
    counters.waited = record.waited;
    counters.refused = record.refused;
    counters.timed_out = record.timed_out;
    counters.longest_wait_ns = record.longest_wait_ns;
    counters.entered_ns = record.entered_ns;
    counters.held_back_ns = record.held_back_ns;
    counters.server_full_since_ns = record.server_full_since_ns;
    counters.probe_at_ns = record.probe_at_ns;
    counters.probes = record.probes;
    counters.probing = record.prober != caps::kNoEntry;
    counters.server_full_count = record.server_full_count;
    return policy;
  }

  void ReadMembers() {
    const uint64_t used = std::min<uint64_t>(header_.members_used, members_.capacity);
    member_index_.resize(used);
    for (uint64_t i = 0; i < used; ++i) {
      const auto record = At<caps::Member>(members_, i);
      if (record.pid <= 0) continue;
      member_index_[i] = snapshot_.members.size();
      snapshot_.members.push_back({record.pid, record.start_ticks, record.stack_start,
                                   TextOf(record.service), TextOf(record.ledger), false});
    }
  }

  std::optional<size_t> MemberAt(uint32_t number) const {
    return number != 0 && number <= member_index_.size() ? member_index_[number - 1] : std::nullopt;
  }

  // Zeroes for an entry without a label, or with a bad one.
  caps::Label LabelAt(uint32_t number) const {
    if (number == caps::kNoEntry || number > labels_.capacity) return {};
    return At<caps::Label>(labels_, number - 1);
  }

  void ReadEntries() {
    const uint64_t used = std::min<uint64_t>(header_.entries_used, entries_.capacity);
    for (uint64_t i = 0; i < used; ++i) {
      const auto entry = At<caps::Entry>(entries_, i);
      const uint32_t state = caps::StateOf(entry.word);
      const bool waits = state == caps::kEntryWaiting;
      const bool holds = state == caps::kEntryGranted || state == caps::kEntryHeld;
      if (!waits && !holds) continue;
      const std::optional<size_t> member = MemberAt(entry.member);
      if (!member) {
        ++odd_entries_;
      } else if (waits) {
        waiting_.emplace_back(entry, *member);
      } else {
        AddHolding(entry, *member);
      }
    }
    KeepWaiters();
    KeepHolders();
  }

  void AddHolding(const caps::Entry& entry, size_t member) {
    for (uint64_t rest = entry.policies & in_force_; rest != 0; rest &= rest - 1) {
      if (++holdings_ > kMaxHoldings) return;
      const auto policy = static_cast<uint32_t>(std::countr_zero(rest));
      Held& held = held_[{policy, member, entry.label}];
      held.oldest_ns = held.count == 0 ? entry.since_ns : std::min(held.oldest_ns, entry.since_ns);
      ++held.count;
    }
  }

  // The list that the board keeps is in the order of the tickets, too, and may be a circle.
  void KeepWaiters() {
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const auto& a, const auto& b) { return a.first.ticket < b.first.ticket; });
    for (const auto& [entry, member] : waiting_) {
      if (snapshot_.waiters.size() == kMaxBoardRows) break;
      const caps::Label label = LabelAt(entry.label);
      snapshot_.waiters.push_back({entry.policies & in_force_, member, label.call_site,
                                   TextOf(label.text), entry.slot, entry.since_ns,
                                   entry.deadline_ns});
    }
    rows_left_out_ += waiting_.size() - snapshot_.waiters.size();
  }

  void KeepHolders() {
    std::vector<std::pair<Holding, Held>> sorted(held_.begin(), held_.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      const uint32_t a_policy = std::get<0>(a.first);
      const uint32_t b_policy = std::get<0>(b.first);
      return a_policy != b_policy ? a_policy < b_policy : a.second.count > b.second.count;
    });
    for (const auto& [key, held] : sorted) {
      if (snapshot_.holders.size() == kMaxBoardRows) break;
      const auto& [policy, member, number] = key;
      const caps::Label label = LabelAt(number);
      snapshot_.holders.push_back(
          {policy, member, label.call_site, TextOf(label.text), held.count, held.oldest_ns});
    }
    rows_left_out_ += sorted.size() - snapshot_.holders.size();
  }

  void AddWarnings() {
    const auto warn = [&](uint64_t count, const char* what) {
      if (count == 0) return;
      snapshot_.warnings.push_back(fmt::format("board {}: {} {}", shown_path_, count, what));
    };
    if (header_.busy_since_ns != 0) {
      snapshot_.warnings.push_back(fmt::format(
          "board {}: its lock is held by process {}, which does not go on, say because a "
          "debugger has stopped it: connects go on uncounted, and caps of processes "
          "that begin meanwhile are not in force until it does",
          shown_path_, caps::ProcessOf(header_.lock)));
    }
    warn(odd_policies_, "policies could not be read: they were being written, or are damaged");
    warn(odd_entries_, "entries name no process: they were being written, or are damaged");
    warn(rows_left_out_,
         "rows of waiting connects and of holders are left out: there are too many");
    if (holdings_ > kMaxHoldings) {
      warn(holdings_ - kMaxHoldings, "entries or more are left out: there are too many");
    }
  }

  struct Held {
    uint64_t count = 0;
    uint64_t oldest_ns = 0;
  };
  using Holding = std::tuple<uint32_t, size_t, uint32_t>;  // policy, member, number of the label

  const std::span<const std::byte> bytes_;
  const std::string& shown_path_;
  caps::BoardHeader header_ = {};
  Array records_ = {};
  Array members_ = {};
  Array labels_ = {};
  Array entries_ = {};
  uint64_t in_force_ = 0;
  std::vector<std::optional<size_t>> member_index_;  // by number - 1
  std::vector<std::pair<caps::Entry, size_t>> waiting_;
  std::map<Holding, Held> held_;
  uint64_t holdings_ = 0;
  uint64_t odd_policies_ = 0;
  uint64_t odd_entries_ = 0;
  uint64_t rows_left_out_ = 0;
  BoardSnapshot snapshot_;
};

}  // namespace

BoardResult ReadBoard(std::span<const std::byte> bytes, const std::string& shown_path) {
  return BoardReader(bytes, shown_path).Read();
}

}  // namespace pqleash::reporter
