// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/holders.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "shim/caps/policy_set.h"
#include "shim/ledger/layout.h"
#include "shim/log/log.h"
#include "shim/support/clock.h"

namespace pqleash::caps {

namespace {

constexpr uint32_t kMaxGroups = 24;
constexpr uint32_t kMaxLedgers = 64;

// The connections of one call site.
struct Group {
  uint32_t label;
  uint32_t count;
  uint32_t processes;
  uint32_t last_member;
  uint32_t in_transaction;
  uint32_t known;  // connections whose activity could be read
  uint64_t oldest_ns;
  uint64_t longest_idle_ns;
};

struct Groups {
  Group groups[kMaxGroups + 1];  // the last one is for call sites that do not fit
  uint32_t count;

  Group& For(uint32_t label) {
    for (uint32_t i = 0; i < count; ++i) {
      if (groups[i].label == label) return groups[i];
    }
    if (count == kMaxGroups) return groups[kMaxGroups];
    groups[count] = {};
    groups[count].label = label;
    return groups[count++];
  }
};

// Reads the connections of another process from its ledger.
class LedgerPeek {
 public:
  LedgerPeek(const char* directory, const Member& member) {
    char path[512];
    char name[sizeof(member.ledger)];
    std::copy(member.ledger, member.ledger + sizeof(name), name);
    name[sizeof(name) - 1] = '\0';
    if (name[0] == '\0' || std::find(name, name + sizeof(name), '/') != name + sizeof(name)) return;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd_ = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    constexpr off_t kAt =
        offsetof(ledger::Header, sections) + ledger::kConnections * sizeof(ledger::Section);
    uint32_t version = 0;
    const bool known = fd_ >= 0 &&
                       pread(fd_, &version, sizeof(version), offsetof(ledger::Header, version)) ==
                           sizeof(version) &&
                       version == ledger::kVersion &&
                       pread(fd_, &section_, sizeof(section_), kAt) == sizeof(section_);
    if (!known) section_ = {};
  }
  ~LedgerPeek() {
    if (fd_ >= 0) close(fd_);
  }
  LedgerPeek(const LedgerPeek&) = delete;
  LedgerPeek& operator=(const LedgerPeek&) = delete;

  bool Read(uint32_t slot, ledger::ConnectionSlot* record) const {
    if (slot >= section_.capacity) return false;
    const auto at = static_cast<off_t>(section_.offset + slot * sizeof(*record));
    return pread(fd_, record, sizeof(*record), at) == sizeof(*record) &&
           record->state == ledger::kEstablished;
  }

 private:
  int fd_ = -1;
  ledger::Section section_ = {};
};

bool Holds(const Entry& entry, uint32_t policy) {
  const uint32_t state = StateOf(__atomic_load_n(&entry.word, __ATOMIC_RELAXED));
  return (state == kEntryHeld || state == kEntryGranted) && Contains(entry.policies, policy);
}

void Collect(const Board& board, uint32_t policy, uint32_t member, const LedgerPeek& ledger,
             uint64_t now, Groups* groups) {
  for (uint32_t i = 1; i <= board.entries_used(); ++i) {
    const Entry& entry = board.entry(i);
    if (entry.member != member || !Holds(entry, policy)) continue;
    Group& group = groups->For(entry.label);
    ++group.count;
    if (group.last_member != member) ++group.processes;
    group.last_member = member;
    group.oldest_ns = std::max(group.oldest_ns, now > entry.since_ns ? now - entry.since_ns : 0);
    ledger::ConnectionSlot record;
    if (!ledger.Read(entry.slot, &record)) continue;
    ++group.known;
    if (record.transaction == ledger::kTransactionOpen ||
        record.transaction == ledger::kTransactionFailed)
      ++group.in_transaction;
    if (record.in_call == 0 && now > record.last_activity_ns)
      group.longest_idle_ns = std::max(group.longest_idle_ns, now - record.last_activity_ns);
  }
}

void LogGroup(const Board& board, const Policy& policy, const Group& group, bool rest) {
  const char* where = rest ? "other call sites" : "a call site that is not known";
  uint64_t site = 0;
  if (!rest && group.label != kNoEntry) {
    where = board.label(group.label).text;
    site = board.label(group.label).call_site;
  }
  char activity[96] = "";
  if (group.known > 0)
    snprintf(activity, sizeof(activity), ", longest idle %.1f s, %u in a transaction",
             ToSeconds(group.longest_idle_ns), group.in_transaction);
  char id[40] = "";
  if (site != 0) snprintf(id, sizeof(id), " (call site %016" PRIx64 ")", site);
  log::Write(
      log::Level::kWarn, log::Event::kCapHolder,
      {log::Field::Text("cap", policy.name), log::Field::Number("held", group.count),
       log::Field::Text("holder", {where, strnlen(where, kMaxLabel)}),
       log::Field::CallSite("call_site", site), log::Field::Number("processes", group.processes),
       log::Field::Seconds("oldest_s", group.oldest_ns),
       log::Field::Seconds("longest_idle_s", group.longest_idle_ns),
       log::Field::Number("in_transaction", group.in_transaction)},
      "  \"%s\": %u by %.*s%s in %u process%s, oldest %.1f s%s", policy.name, group.count,
      static_cast<int>(kMaxLabel), where, id, group.processes, group.processes == 1 ? "" : "es",
      ToSeconds(group.oldest_ns), activity);
}

}  // namespace

void LogHolders(const Board& board, uint32_t number, const Policy& policy, const Outcome& first,
                const char* directory, uint64_t now) {
  static constexpr const char* kWhatHappens[] = {"is admitted", "waits", "is refused"};
  const Record& record = board.record(number);
  const uint32_t rule = std::min<uint32_t>(record.rule.on_limit, kReject);
  const char* what = kWhatHappens[rule];
  const char* on_limit = kOnLimitNames[rule];
  if (policy.kind == kPace) {
    log::Write(
        log::Level::kWarn, log::Event::kPaceHeldBack,
        {log::Field::Text("cap", policy.name), log::Field::Flag("server_full", first.server_full),
         log::Field::Text("on_limit", on_limit)},
        "pace \"%s\" holds connects back%s; the next one %s", policy.name,
        first.server_full ? " because the server has no free slots" : "", what);
    return;
  }
  log::Write(
      log::Level::kWarn, log::Event::kCapReached,
      {log::Field::Text("cap", policy.name), log::Field::Number("in_use", board.use(number)),
       log::Field::Number("limit", record.rule.limit),
       log::Field::Number("waiting", record.waiting), log::Field::Text("on_limit", on_limit)},
      "cap \"%s\" is reached: %u of %u in use; each new connect %s. Who holds them:", policy.name,
      board.use(number), record.rule.limit, what);
  Groups groups = {};
  uint32_t ledgers = 0;
  const uint32_t used = board.entries_used();
  uint32_t done = 0;  // members are visited in the order of their numbers
  while (ledgers < kMaxLedgers) {
    uint32_t member = 0;
    for (uint32_t i = 1; i <= used; ++i) {
      const Entry& entry = board.entry(i);
      if (Holds(entry, number) && entry.member > done && (member == 0 || entry.member < member))
        member = entry.member;
    }
    if (member == 0 || member > board.capacity().members) break;
    const LedgerPeek ledger(directory, board.member(member));
    Collect(board, number, member, ledger, now, &groups);
    done = member;
    ++ledgers;
  }
  std::sort(groups.groups, groups.groups + groups.count,
            [](const Group& a, const Group& b) { return a.count > b.count; });
  for (uint32_t i = 0; i < groups.count; ++i) LogGroup(board, policy, groups.groups[i], false);
  if (groups.groups[kMaxGroups].count > 0) LogGroup(board, policy, groups.groups[kMaxGroups], true);
}

uint32_t BiggestHolder(const Board& board, uint32_t number, uint32_t* count) {
  // There may be no majority. First a small table finds the candidates (Misra and Gries: a label
  // with more than one in kCandidates of the entries stays in it), then they are counted exactly.
  constexpr uint32_t kCandidates = 16;
  uint32_t labels[kCandidates] = {};
  uint32_t counts[kCandidates] = {};
  const uint32_t used = board.entries_used();
  const auto holds = [&](const Entry& entry) {
    return Holds(entry, number) && entry.label - 1 < board.capacity().labels;
  };
  for (uint32_t i = 1; i <= used; ++i) {
    if (!holds(board.entry(i))) continue;
    const uint32_t label = board.entry(i).label;
    uint32_t place = 0;
    while (place < kCandidates && (counts[place] == 0 || labels[place] != label)) ++place;
    if (place == kCandidates) {
      place = static_cast<uint32_t>(std::find(counts, counts + kCandidates, 0u) - counts);
    }
    if (place < kCandidates) {
      labels[place] = label;
      ++counts[place];
    } else {
      for (uint32_t& each : counts) --each;
    }
  }
  std::fill(counts, counts + kCandidates, 0u);
  for (uint32_t i = 1; i <= used; ++i) {
    if (!holds(board.entry(i))) continue;
    const auto* place = std::find(labels, labels + kCandidates, board.entry(i).label);
    if (place != labels + kCandidates) ++counts[place - labels];
  }
  const auto* most = std::max_element(counts, counts + kCandidates);
  *count = *most;
  return *most > 0 ? labels[most - counts] : kNoEntry;
}

}  // namespace pqleash::caps
