// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/ledger_reader.h"

#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/ledger_directory.h"
#include "reporter/snapshot/ledger_file.h"
#include "reporter/snapshot/ledger_records.h"
#include "reporter/snapshot/ledger_strings.h"
#include "shim/ledger/histogram.h"
#include "shim/ledger/layout.h"

namespace pqleash::reporter {
namespace {

constexpr uint32_t kMaxFunctionName = 63;  // of a libpq function

template <size_t kSize>
std::string FixedString(const char (&bytes)[kSize]) {
  return std::string(bytes, strnlen(bytes, kSize));
}

// Counts what does not fit together, to be said once each.
struct Oddities {
  uint64_t slot_states = 0;
  uint64_t references = 0;
  uint64_t frames = 0;
  uint64_t stacks = 0;
  uint64_t flags = 0;
  uint64_t openers = 0;
  uint64_t periods = 0;
};

class SnapshotBuilder {
 public:
  explicit SnapshotBuilder(LedgerRecords records)
      : records_(std::move(records)), strings_(std::move(records_.strings)) {}

  Snapshot Build(const std::string& shown_path) {
    snapshot_.warnings = std::move(records_.warnings);
    snapshot_.process.ledger = shown_path;
    AddProcess();
    AddTotals();
    AddLibpqCopies();
    AddModules();
    AddScriptFrames();
    AddFrames();
    AddCallSites();
    AddTargets();
    AddConnections();
    AddTimes();
    AddHistory();
    AddFailures();
    AddWarnings();
    snapshot_.as_of_ns = LastSignOfLifeNs(snapshot_);
    return std::move(snapshot_);
  }

 private:
  void AddProcess() {
    const ledger::Header& header = records_.header;
    Process& process = snapshot_.process;
    process.pid = CheckedPid(header.pid);
    process.parent_pid = CheckedPid(header.parent_pid);
    process.uid = header.uid;
    process.pid_namespace = header.pid_namespace;
    process.start_ticks = header.start_ticks;
    process.created_realtime_ns = header.created_realtime_ns;
    process.created_monotonic_ns = header.created_monotonic_ns;
    process.ending_ns = header.ending_ns;
    process.ended_ns = header.ended_ns;
    process.run_id = header.run_id;
    process.private_begin = header.private_begin;
    process.private_size = header.private_size;
    process.boot_id = FixedString(header.boot_id);
    process.service = FixedString(header.service);
    process.host_name = FixedString(header.host_name);
    process.library_version = FixedString(header.library_version);
    process.exe = strings_.At(header.exe);
    process.intercepted.look_ups = (header.intercepted & ledger::kInterceptLookUps) != 0;
    process.intercepted.deep_bind = (header.intercepted & ledger::kInterceptDeepBind) != 0;
    CheckFlags(header.intercepted, ledger::kInterceptLookUps | ledger::kInterceptDeepBind);
    uint32_t interpreters = 0;
    for (const uint32_t language : {ledger::kPython, ledger::kRuby, ledger::kPhp, ledger::kPerl}) {
      interpreters |= 1u << language;
      if ((header.interpreters & 1u << language) != 0) {
        process.interpreters.push_back(ToLanguage(language));
      }
    }
    CheckFlags(header.interpreters, interpreters);
    switch (header.unwinder) {
      case ledger::kUnwinderCfi:
        process.unwinder = Unwinder::kCfi;
        break;
      case ledger::kUnwinderBacktrace:
        process.unwinder = Unwinder::kBacktrace;
        break;
      default:
        process.unwinder = Unwinder::kNone;
    }
    process.attachment = ToAttachment(header.attach_state);
    switch (header.process_state) {
      case ledger::kProcessLive:
        process.phase = ProcessPhase::kRunning;
        break;
      case ledger::kProcessEnding:
        process.phase = ProcessPhase::kEnding;
        break;
      case ledger::kProcessEnded:
        process.phase = ProcessPhase::kEnded;
        break;
      default:
        snapshot_.warnings.push_back(
            fmt::format("the ledger gives process state {}, which this version does not know",
                        header.process_state));
    }
  }

  Attachment ToAttachment(uint32_t state) {
    switch (state) {
      case ledger::kNotAttached:
        return Attachment::kNone;
      case ledger::kAttachBegun:
        return Attachment::kBegun;
      case ledger::kAttached:
        return Attachment::kAttached;
      case ledger::kDetached:
        return Attachment::kDetached;
      default:
        snapshot_.warnings.push_back(fmt::format(
            "the ledger gives state of attach {}, which this version does not know", state));
        return Attachment::kNone;
    }
  }

  // 0: not known.
  int32_t CheckedPid(int32_t pid) {
    if (pid >= 0) return pid;
    snapshot_.warnings.push_back(fmt::format("the ledger gives process id {}", pid));
    return 0;
  }

  void AddTotals() {
    const ledger::Header& header = records_.header;
    Totals& totals = snapshot_.totals;
    totals.open = header.open;
    totals.peak = header.peak;
    totals.opened = header.opened;
    totals.closed = header.closed;
    totals.failed = header.failed;
    totals.unrecorded_connections = header.unrecorded_connections;
    totals.unrecorded_stacks = header.unrecorded_stacks;
    totals.unrecorded_modules = header.unrecorded_modules;
    totals.unrecorded_strings = header.unrecorded_strings;
    totals.bypassed_calls = header.bypassed_calls;
    totals.bypassed_closes = header.bypassed_closes;
    totals.left_open = header.left_open;
    totals.closed_with_request = header.closed_with_request;
    snapshot_.caps_locked_out_since_ns = header.caps_locked_out_since_ns;
    totals.uses_noted = header.uses_noted;
    totals.uses_not_noted = header.uses_not_noted;
    totals.use_stacks = header.use_stacks;
    totals.uncovered_lookups = header.uncovered_lookups;
    totals.open_when_ending = header.open_when_ending;
    totals.in_use = header.in_use;
    totals.in_use_peak = header.in_use_peak;
    totals.server_full = header.server_full;
  }

  void AddLibpqCopies() {
    const ledger::Header& header = records_.header;
    const uint32_t used = std::min(header.libpq_copies_used, ledger::kMaxLibpqCopies);
    if (used < header.libpq_copies_used) {
      snapshot_.warnings.push_back(
          fmt::format("the ledger counts {} copies of libpq, and {} are named",
                      header.libpq_copies_used, used));
    }
    for (uint32_t i = 0; i < used; ++i) {
      const ledger::LibpqCopy& copy = header.libpq_copies[i];
      const LibpqWays ways = {(copy.ways & ledger::kWayBound) != 0,
                              (copy.ways & ledger::kWayLookedUp) != 0,
                              (copy.ways & ledger::kWayDeepBind) != 0};
      CheckFlags(copy.ways, ledger::kWayBound | ledger::kWayLookedUp | ledger::kWayDeepBind);
      snapshot_.libpq_copies.push_back({strings_.At(copy.path), copy.version, ways});
    }
  }

  // Bits that this version has no name for mean that something is not shown.
  void CheckFlags(uint32_t flags, uint32_t known) {
    if ((flags & ~known) != 0) ++odd_.flags;
  }

  void AddModules() {
    for (const ledger::Module& record : records_.modules) {
      Module module;
      module.path = strings_.At(record.path);
      const uint32_t size = std::min(record.build_id_size, ledger::kMaxBuildIdSize);
      if (size != record.build_id_size) ++odd_.references;
      module.build_id.assign(reinterpret_cast<const char*>(record.build_id), size);
      module.begin = record.begin;
      module.end = record.end;
      module.bias = record.bias;
      module.loaded = record.state == ledger::kModuleLoaded;
      snapshot_.modules.push_back(std::move(module));
    }
  }

  static Language ToLanguage(uint32_t language) {
    switch (language) {
      case ledger::kNative:
        return Language::kNative;
      case ledger::kPython:
        return Language::kPython;
      case ledger::kRuby:
        return Language::kRuby;
      case ledger::kPhp:
        return Language::kPhp;
      case ledger::kPerl:
        return Language::kPerl;
      default:
        return Language::kUnknown;
    }
  }

  void AddScriptFrames() {
    for (const ledger::ScriptFrame& record : records_.script_frames) {
      snapshot_.script_frames.push_back({ToLanguage(record.language), strings_.At(record.function),
                                         strings_.At(record.file), record.line});
    }
  }

  void AddFrames() {
    snapshot_.frames.reserve(records_.frames.size());
    for (const uint64_t encoded : records_.frames) {
      const uint64_t kind = ledger::FrameKind(encoded);
      Frame frame;
      frame.value = ledger::FrameValue(encoded);
      if (kind == ledger::kFrameScript && frame.value < snapshot_.script_frames.size()) {
        frame.kind = Frame::Kind::kScript;
        frame.index = static_cast<uint32_t>(frame.value);
      } else if (kind != ledger::kFrameNoModule && kind != ledger::kFrameScript &&
                 kind - 1 < snapshot_.modules.size()) {
        frame.kind = Frame::Kind::kModule;
        frame.index = static_cast<uint32_t>(kind - 1);
      } else if (kind != ledger::kFrameNoModule) {
        ++odd_.frames;
      }
      snapshot_.frames.push_back(frame);
    }
  }

  void AddCallSites() {
    for (size_t i = 0; i < records_.call_sites.size(); ++i) {
      const ledger::CallSite& record = records_.call_sites[i];
      CallSite site;
      // A record without an id is not filled yet; it keeps its place, since connections refer to
      // places. Only number 0 counts without one.
      if (i == 0 || record.id != 0) {
        site.id = i == 0 ? 0 : record.id;
        site.stack_truncated = (record.flags & ledger::kStackTruncated) != 0;
        site.stack_incomplete = (record.flags & ledger::kStackIncomplete) != 0;
        site.opened = record.opened;
        site.closed = record.closed;
        site.failed = record.failed;
        site.open = record.open;
        site.peak = record.peak;
        site.first_ns = record.first_ns;
        site.last_ns = record.last_ns;
        site.closed_life_ns = record.closed_life_ns;
        site.in_use = record.in_use;
        site.in_use_peak = record.in_use_peak;
        site.busy_ns = record.busy_ns;
        site.opened_beside_idle = record.opened_beside_idle;
        if (record.frame_count <= kMaxStackDepth &&
            uint64_t{record.first_frame} + record.frame_count <= snapshot_.frames.size()) {
          site.first_frame = record.first_frame;
          site.frame_count = record.frame_count;
        } else {
          ++odd_.stacks;
        }
      }
      snapshot_.call_sites.push_back(site);
    }
    if (snapshot_.call_sites.empty()) snapshot_.call_sites.emplace_back();
  }

  void AddTargets() {
    for (size_t i = 0; i < records_.targets.size(); ++i) {
      const ledger::Target& record = records_.targets[i];
      Target target;
      if (i != 0 && record.ready == 1) {
        target = {strings_.At(record.host), strings_.At(record.dbname), strings_.At(record.user),
                  strings_.At(record.application_name), record.port};
      }
      snapshot_.targets.push_back(std::move(target));
    }
    if (snapshot_.targets.empty()) snapshot_.targets.emplace_back();
  }

  static std::optional<ConnectionState> ToState(uint32_t state) {
    switch (state) {
      case ledger::kConnecting:
        return ConnectionState::kConnecting;
      case ledger::kEstablished:
        return ConnectionState::kEstablished;
      case ledger::kFailed:
        return ConnectionState::kFailed;
      case ledger::kRefused:
        return ConnectionState::kRefused;
      case ledger::kBroken:
        return ConnectionState::kBroken;
      case ledger::kResetting:
        return ConnectionState::kResetting;
      case ledger::kInherited:
        return ConnectionState::kInherited;
      case ledger::kWaiting:
        return ConnectionState::kWaiting;
      case ledger::kLeftOpen:
        return ConnectionState::kLeftOpen;
      default:
        return std::nullopt;
    }
  }

  static Transaction ToTransaction(uint32_t transaction) {
    switch (transaction) {
      case ledger::kTransactionIdle:
        return Transaction::kIdle;
      case ledger::kTransactionActive:
        return Transaction::kActive;
      case ledger::kTransactionOpen:
        return Transaction::kOpen;
      case ledger::kTransactionFailed:
        return Transaction::kFailed;
      default:
        return Transaction::kUnknown;
    }
  }

  // An index that is in range, else 0: 'not known'.
  uint32_t Checked(uint32_t index, size_t size) {
    if (index < size) return index;
    ++odd_.references;
    return 0;
  }

  void AddConnections() {
    for (const ledger::ConnectionSlot& slot : records_.connections) {
      const std::optional<ConnectionState> state = ToState(slot.state);
      if (!state) {
        ++odd_.slot_states;
        continue;
      }
      Connection connection;
      connection.state = *state;
      connection.transaction = ToTransaction(slot.transaction);
      connection.handle = slot.handle;
      connection.call_site = Checked(slot.call_site, snapshot_.call_sites.size());
      connection.target = Checked(slot.target, snapshot_.targets.size());
      connection.tid = slot.tid;
      connection.backend_pid = slot.backend_pid;
      connection.opened_ns = slot.opened_ns;
      connection.established_ns = slot.established_ns;
      connection.last_activity_ns = slot.last_activity_ns;
      connection.commands = slot.commands;
      connection.resets = slot.resets;
      connection.thread_name = FixedString(slot.thread_name);
      connection.in_call = strings_.At(slot.in_call, kMaxFunctionName);
      if (slot.libpq < snapshot_.libpq_copies.size()) connection.libpq = slot.libpq;
      connection.busy_ns = slot.busy_ns;
      connection.busy_since_ns = slot.busy_since_ns;
      connection.waited_ns = slot.waited_ns;
      static_assert(std::tuple_size_v<decltype(connection.use_counts)> == ledger::kUseCounts);
      std::copy(std::begin(slot.use_counts), std::end(slot.use_counts),
                connection.use_counts.begin());
      connection.longest_rest_ns = slot.longest_rest_ns;
      connection.last_thread = slot.last_thread;
      connection.thread_changes = slot.thread_changes;
      connection.handovers = slot.handovers;
      connection.adopted = (slot.inherited & ledger::kAdopted) != 0;
      if (*state == ConnectionState::kInherited) {
        AddInheritance(slot, &connection);
      } else {
        connection.used_site = Checked(slot.used_site, snapshot_.call_sites.size());
      }
      if (*state == ConnectionState::kLeftOpen) connection.closed_by = ToLanguage(slot.closed_by);
      snapshot_.connections.push_back(std::move(connection));
    }
    snapshot_.in_motion = records_.connections_in_motion;
  }

  static void Take(const ledger::Histogram& record, TimeHistogram* histogram) {
    static_assert(std::tuple_size_v<decltype(histogram->buckets)> == ledger::kHistogramBuckets);
    histogram->sum_ns = record.sum_ns;
    std::copy(std::begin(record.buckets), std::end(record.buckets), histogram->buckets.begin());
  }

  void AddTimes() {
    const ledger::Header& header = records_.header;
    Times& times = snapshot_.times;
    Take(header.create_time, &times.create);
    Take(header.wait_time, &times.wait);
    Take(header.use_time, &times.use);
    // The header has those of connections that have ended.
    for (const Connection& connection : snapshot_.connections) {
      times.use.sum_ns += connection.busy_ns;
      for (uint32_t i = 0; i < ledger::kUseCounts; ++i) {
        times.use.buckets[ledger::UseBucket(i)] += connection.use_counts[i];
      }
    }
  }

  void AddHistory() {
    static_assert(kHistoryPeriodNs == ledger::kHistoryPeriodNs);
    static_assert(kHistoryPeriods == ledger::kHistoryPeriods);
    // No clock runs for that long; sums of periods and nanoseconds do not overflow below it.
    constexpr uint64_t kLatest = UINT64_MAX / kHistoryPeriodNs / 2;
    std::vector<HistoryPeriod>& history = snapshot_.history;
    for (const ledger::HistoryPeriod& record : records_.history) {
      if (record.period == 0) continue;
      if (record.period > kLatest) {
        ++odd_.periods;
        continue;
      }
      history.push_back({record.period, record.opened, record.closed, record.failed,
                         record.server_full, record.waited, record.refused, record.open_peak,
                         record.in_use_peak, record.busy_ns, record.uses, record.thread_changes,
                         record.handovers});
    }
    std::stable_sort(history.begin(), history.end(),
                     [](const auto& a, const auto& b) { return a.period < b.period; });
    const auto twice =
        std::unique(history.begin(), history.end(),
                    [](const auto& a, const auto& b) { return a.period == b.period; });
    odd_.periods += static_cast<uint64_t>(history.end() - twice);
    history.erase(twice, history.end());
  }

  void AddFailures() {
    static_assert(kFailureReasons == ledger::kFailureClasses);
    static_assert(static_cast<uint32_t>(FailureReason::kConninfo) == ledger::kFailureConninfo);
    for (size_t i = 0; i < kFailureReasons; ++i) {
      const ledger::Failure& record = records_.header.failures[i];
      if (record.count == 0) continue;
      snapshot_.failures[i] = {record.count, record.last_ns, strings_.At(record.text),
                               Checked(record.call_site, snapshot_.call_sites.size())};
    }
  }

  void AddInheritance(const ledger::ConnectionSlot& slot, Connection* connection) {
    connection->touched_site = Checked(slot.used_site, snapshot_.call_sites.size());
    connection->touched_by = strings_.At(slot.touched_by, kMaxFunctionName);
    if (slot.opener_pid > 0) {
      connection->opener_pid = slot.opener_pid;
    } else {
      ++odd_.openers;
    }
    connection->finished_here = (slot.inherited & ledger::kFinishedHere) != 0;
    CheckFlags(slot.inherited, ledger::kFinishedHere);
  }

  void Warn(uint64_t count, const char* sentence) {
    if (count != 0) snapshot_.warnings.push_back(fmt::format(fmt::runtime(sentence), count));
  }

  void AddWarnings() {
    Warn(records_.connections_in_motion,
         "{} connections were in motion while the ledger was read, or when the process died, and "
         "are "
         "left out");
    Warn(records_.modules_in_motion,
         "{} modules were in motion while the ledger was read, or when the process died: their "
         "frames "
         "have no names");
    Warn(snapshot_.totals.unrecorded_connections,
         "{} connections found no room in the ledger: they are in no list; raise its capacity");
    Warn(snapshot_.totals.unrecorded_stacks,
         "{} connects have no call site in the ledger: their stacks were not caught, or found no "
         "room");
    Warn(snapshot_.totals.unrecorded_modules,
         "{} modules found no room in the ledger: their frames have no names");
    Warn(snapshot_.totals.unrecorded_strings, "{} strings found no room in the ledger");
    Warn(odd_.slot_states,
         "the ledger is damaged: {} connections in a state that this version does not know are "
         "left out");
    Warn(odd_.references, "the ledger is damaged: {} references lead nowhere");
    Warn(odd_.frames, "the ledger is damaged: {} frames lie in no known module");
    Warn(odd_.stacks,
         "the ledger is damaged: {} stacks are too deep, or lie outside of the recorded frames");
    Warn(odd_.flags, "the ledger is damaged: {} fields hold flags that this version does not know");
    Warn(odd_.openers, "the ledger is damaged: {} inherited connections name no opener");
    Warn(odd_.periods, "the ledger is damaged: {} periods of the history cannot be");
    Warn(strings_.bad(), "the ledger is damaged: {} strings lie outside of the recorded ones");
    Warn(strings_.left_out(), "{} strings are left out: the ledger names more than are read");
  }

  LedgerRecords records_;
  LedgerStrings strings_;
  Snapshot snapshot_;
  Oddities odd_;
};

}  // namespace

LedgerResult ReadLedger(int directory_fd, const std::string& path, const std::string& shown_path) {
  LedgerFile file(shown_path);
  if (auto error = file.Open(directory_fd, path)) return *std::move(error);
  LedgerRecords records;
  if (auto error = ReadRecords(file, &records)) return *std::move(error);
  return SnapshotBuilder(std::move(records)).Build(shown_path);
}

LedgerResult ReadListedLedger(const std::string& path) {
  const size_t slash = path.rfind('/');
  std::optional<LedgerError> problem;
  const int fd = OpenLedgerDirectory(path.substr(0, slash), &problem);
  if (problem) return *std::move(problem);
  if (fd < 0) {
    return LedgerError{LedgerError::Kind::kMissing, fmt::format("ledger {} is gone", path)};
  }
  LedgerResult result = ReadLedger(fd, path.substr(slash + 1), path);
  close(fd);
  return result;
}

}  // namespace pqleash::reporter
