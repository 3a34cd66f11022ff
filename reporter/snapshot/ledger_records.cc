// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/ledger_records.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <type_traits>

#include "reporter/snapshot/ledger_reader.h"

namespace pqleash::reporter {
namespace {

using MaybeError = std::optional<LedgerError>;

constexpr uint32_t kChunk = 1024;           // records read together
constexpr int kTriesPerRecord = 10;         // before a record is called 'in motion'
constexpr uint64_t kTriesPerFile = 10'000;  // so that a hostile file cannot keep us busy

class RecordReader {
 public:
  RecordReader(const LedgerFile& file, LedgerRecords* records) : file_(file), records_(*records) {}

  MaybeError ReadAll() {
    if (auto error = Refresh()) return error;
    const ledger::Header& header = records_.header;
    if (auto error = ReadGuarded(ledger::kConnections,
                                 Used("connections", header.connections_high_water,
                                      ledger::kConnections, kMaxConnections),
                                 /*keep_all=*/false, &records_.connections,
                                 &records_.connections_in_motion)) {
      return error;
    }
    if (auto error = Refresh()) return error;
    if (auto error = ReadPlain("targets", header.targets_used, ledger::kTargets, kMaxTargets,
                               &records_.targets)) {
      return error;
    }
    if (auto error = ReadPlain("call sites", header.call_sites_used, ledger::kCallSites,
                               kMaxCallSites, &records_.call_sites)) {
      return error;
    }
    if (auto error = Refresh()) return error;
    if (auto error = ReadPlain("frames", header.frames_used, ledger::kFrames, kMaxFrames,
                               &records_.frames)) {
      return error;
    }
    if (auto error = Refresh()) return error;
    if (auto error = ReadPlain("script frames", header.script_frames_used, ledger::kScriptFrames,
                               kMaxScriptFrames, &records_.script_frames)) {
      return error;
    }
    if (auto error =
            ReadGuarded(ledger::kModules,
                        Used("modules", header.modules_used, ledger::kModules, ledger::kMaxModules),
                        /*keep_all=*/true, &records_.modules, &records_.modules_in_motion)) {
      return error;
    }
    const uint32_t periods =
        std::min(header.sections[ledger::kHistory].capacity, ledger::kHistoryPeriods);
    if (auto error = ReadPlain("history periods", periods, ledger::kHistory,
                               ledger::kHistoryPeriods, &records_.history)) {
      return error;
    }
    if (auto error = Refresh()) return error;
    return ReadPlain("strings", header.strings_used, ledger::kStrings, kMaxStringBytes,
                     &records_.strings);
  }

 private:
  MaybeError Refresh() { return file_.ReadHeader(&records_.header); }

  // How many records to read where the file claims `used`.
  uint32_t Used(const char* name, uint32_t used, ledger::SectionIndex section, uint32_t limit) {
    const uint32_t room = std::min(records_.header.sections[section].capacity, limit);
    if (used > room) {
      records_.warnings.push_back(
          fmt::format("the ledger counts {} {}, and {} can be read", used, name, room));
    }
    return std::min(used, room);
  }

  template <typename Record>
  MaybeError ReadRange(ledger::SectionIndex section, uint64_t first, uint64_t count,
                       Record* records) {
    return file_.Read(records_.header.sections[section].offset + first * sizeof(Record),
                      count * sizeof(Record), records);
  }

  template <typename Record>
  MaybeError ReadPlain(const char* name, uint32_t used, ledger::SectionIndex section,
                       uint32_t limit, std::vector<Record>* records) {
    static_assert(std::is_trivially_copyable_v<Record>);
    records->resize(Used(name, used, section, limit));
    return ReadRange(section, 0, records->size(), records->data());
  }

  // The seqlock protocol: a record of pass B is whole when its sequence is even and the same in
  // passes A and C.
  template <typename Record>
  MaybeError ReadGuarded(ledger::SectionIndex section, uint32_t used, bool keep_all,
                         std::vector<Record>* records, uint64_t* in_motion) {
    std::vector<Record> a(std::min(used, kChunk));
    std::vector<Record> b(a.size());
    std::vector<Record> c(a.size());
    for (uint32_t first = 0; first < used; first += kChunk) {
      const uint32_t count = std::min(kChunk, used - first);
      for (std::vector<Record>* pass : {&a, &b, &c}) {
        if (auto error = ReadRange(section, first, count, pass->data())) return error;
      }
      for (uint32_t i = 0; i < count; ++i) {
        bool whole = Whole(a[i], b[i], c[i]);
        for (int tries = 0; !whole && tries < kTriesPerRecord && tries_ < kTriesPerFile; ++tries) {
          ++tries_;
          sched_yield();
          for (Record* pass : {&a[i], &b[i], &c[i]}) {
            if (auto error = ReadRange(section, first + i, 1, pass)) return error;
          }
          whole = Whole(a[i], b[i], c[i]);
        }
        if (!whole) {
          ++*in_motion;
          b[i] = Record{};
        }
        if (keep_all || b[i].state != 0) records->push_back(b[i]);
      }
    }
    return std::nullopt;
  }

  template <typename Record>
  static bool Whole(const Record& a, const Record& b, const Record& c) {
    return b.sequence % 2 == 0 && a.sequence == b.sequence && b.sequence == c.sequence;
  }

  const LedgerFile& file_;
  LedgerRecords& records_;
  uint64_t tries_ = 0;
};

}  // namespace

std::optional<LedgerError> ReadRecords(const LedgerFile& file, LedgerRecords* records) {
  return RecordReader(file, records).ReadAll();
}

}  // namespace pqleash::reporter
