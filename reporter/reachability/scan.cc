// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/scan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>

#include "reporter/reachability/address_filter.h"
#include "reporter/reachability/encodings.h"
#include "reporter/reachability/kernel_references.h"
#include "reporter/reachability/malloc_blocks.h"
#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/memory_reader.h"
#include "reporter/reachability/module_images.h"
#include "reporter/reachability/own_objects.h"
#include "reporter/reachability/places.h"
#include "reporter/reachability/recorded_blocks.h"
#include "reporter/reachability/registers.h"
#include "reporter/reachability/thread_areas.h"
#include "reporter/reachability/threads.h"
#include "reporter/snapshot/ledger_directory.h"
#include "reporter/snapshot/ledger_reader.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

using ScanClock = std::chrono::steady_clock;

// An address that the program moves to and fro can be passed over: a pass sees it in neither place
// with a chance of one in four or less. After kPasses nothing is left of that.
constexpr uint64_t kMinPasses = 2;
constexpr uint64_t kPasses = 14;
constexpr useconds_t kPause = 1'500;   // microseconds between passes, longer than a step of most
constexpr size_t kMaxPending = 8'192;  // references to one connection that are looked at closely
constexpr size_t kMaxLeading = 4'096;  // blocks whose references are looked for, of one connection
constexpr uint64_t kTagRoom = 16;      // addresses above a PGconn that may be it with a tag
constexpr uint64_t kAddressEnd = uint64_t{1} << 47;
constexpr size_t kNoConnection = SIZE_MAX;
constexpr std::string_view kLibrary = "libpqleash.so";

// A reference that may turn out to be none.
struct Pending {
  uint64_t address = 0;
  bool to_object = false;  // leads to one of the connection's own objects, not to the PGconn
  int32_t dead_on = 0;     // thread whose unused stack it is in; 0: in none
};

// A connection without a reference so far.
struct Candidate {
  size_t connection = 0;  // index into the snapshot
  AddressRange block;     // the PGconn
  std::vector<Pending> pending;
  std::optional<OwnObjects> objects;
  // Blocks of connections that a way leads through to a reference: nothing else may point there.
  std::vector<AddressRange> leading;
  // Connections, as indexes into the snapshot, in whose blocks such ways begin.
  std::set<size_t> relies_on;
  uint64_t clean_passes = 0;
  // Where it is held, with the most telling place first.
  bool held = false;
  Place place = Place::kStack;
  uint64_t held_at = 0;
  std::string held_by;  // instead of a place
};

// Its handle leads to a PGconn of this process. A blocking connect has no handle before it returns.
bool HasConn(const Connection& connection) {
  switch (connection.state) {
    case ConnectionState::kConnecting:
    case ConnectionState::kEstablished:
    case ConnectionState::kBroken:
    case ConnectionState::kFailed:
    case ConnectionState::kRefused:
      break;
    default:
      return false;
  }
  return connection.handle != 0 && connection.handle < kAddressEnd - kTagRoom &&
         connection.handle % 8 == 0;
}

bool MayBeJudged(const Connection& connection) {
  return HasConn(connection) && connection.in_call.empty();
}

// The same connection, whatever was done with it.
bool IsSame(const Connection& before, const Connection& after) {
  return before.handle == after.handle && before.opened_ns == after.opened_ns;
}

// Whether nothing was done with it between two looks at the ledger.
bool Untouched(const Connection& before, const Connection& after) {
  const auto key = [](const Connection& c) {
    return std::tuple(c.state, c.handle, c.tid, c.backend_pid, c.opened_ns, c.established_ns,
                      c.last_activity_ns, c.commands, c.resets, c.transaction);
  };
  return key(before) == key(after) && after.in_call.empty();
}

bool SwapInUse() {
  const std::string swaps = ReadProcFile("/proc/swaps").value_or("\n\n");
  return std::count(swaps.begin(), swaps.end(), '\n') > 1;
}

// Without swap, a page of these that is not there was never written.
bool IsInMemoryAlone(const Mapping& mapping) {
  const std::string& path = mapping.path;
  return path.starts_with("/dev/shm/") || path.starts_with("/memfd:") ||
         path.starts_with("/dev/zero") || path.starts_with("/SYSV") ||
         path.starts_with("anon_inode:");
}

bool IsOpenSsl(std::string_view file) {
  return file.starts_with("libcrypto.so") || file.starts_with("libssl.so");
}

bool IsOurs(std::string_view file) { return ParseLedgerName(file) || file.ends_with(".board"); }

class ProcessScan {
 public:
  ProcessScan(const Snapshot& snapshot, const ScanOptions& options, Symboliser* symboliser)
      : snapshot_(snapshot),
        pid_(snapshot.process.visible_pid),
        options_(options),
        begin_(ScanClock::now()),
        deadline_(begin_ + options.time),
        symboliser_(symboliser),
        reader_(pid_),
        memory_(reader_) {}

  ScanResult Run() {
    if (std::none_of(snapshot_.connections.begin(), snapshot_.connections.end(), MayBeJudged)) {
      return {};
    }
    if (snapshot_.process.private_size == 0) {
      return Refuse("its ledger does not say where the library's own memory is");
    }
    if (std::string error = LookAtMaps(); !error.empty()) return Refuse(error);
    ChooseCandidates();
    while (NeedsPass() && Pass()) {
      // What the kernel has and what the registers hold is asked for once, after the memory has
      // said what there is to ask for.
      if (passes_ == kMinPasses && Open() != 0) LookBesideMemory();
      if (Open() != 0 && passes_ < kPasses) usleep(kPause + passes_ * 137);
    }
    return Finish();
  }

 private:
  // --- What there is to look at -----------------------------------------------------------------

  ScanResult Refuse(const std::string& why) const {
    const Process& process = snapshot_.process;
    return {{},
            {fmt::format("process {} ({}): its memory was not searched for lost connections: {}",
                         pid_, process.service, why)}};
  }

  MallocBlocks::WordAt WordAt() {
    return [this](uint64_t address) { return memory_.WordAt(address); };
  }

  // A process that has replaced its program has not: its ledger tells of connections that are gone.
  bool MapsLedger(const std::vector<Mapping>& mappings) const {
    const std::string_view own = FileName(snapshot_.process.ledger);
    return std::any_of(mappings.begin(), mappings.end(), [&](const Mapping& mapping) {
      return mapping.shared && FileName(mapping.path) == own;
    });
  }

  // Empty, or why it cannot be.
  std::string LookAtMaps() {
    errno = 0;
    const auto maps = ReadProcFile(fmt::format("/proc/{}/maps", pid_), kMaxMaps);
    if (!maps || maps->empty()) {
      return WhyRefused(pid_, !maps && (errno == EACCES || errno == EPERM) ? EPERM : ESRCH);
    }
    memory_.Forget();
    view_.mappings = ParseMemoryMap(*maps);
    if (!MapsLedger(view_.mappings)) return "it does not map its ledger any more";
    if (view_.images.empty()) {
      view_.images =
          ReadModuleImages(view_.mappings, [this](uint64_t address, void* to, size_t size) {
            return reader_.Read(address, to, size);
          });
    }
    encodings_ = EncodingsIn(view_.images);
    if (reader_.refused() != 0) return WhyRefused(pid_, reader_.refused());
    regions_ = RegionsToScan(view_.mappings, Excluded());
    view_.threads = ListThreads(pid_);
    view_.areas = FindThreadAreas(view_.mappings, view_.threads, WordAt());
    dead_stacks_.clear();
    for (const Thread& thread : view_.threads) {
      if (const auto dead = DeadStack(thread, view_.mappings, view_.areas)) {
        dead_stacks_.emplace_back(*dead, thread);
      }
    }
    blocks_.emplace(WordAt(), AnonymousMemory(), LibcWords(), ThreadWords());
    return {};
  }

  // What is the library's: it knows every connection, and would hold them all.
  std::vector<AddressRange> Excluded() const {
    const Process& process = snapshot_.process;
    std::vector<AddressRange> excluded;
    if (process.private_begin < kAddressEnd && process.private_size < kAddressEnd) {
      excluded.push_back({process.private_begin, process.private_begin + process.private_size});
    }
    for (const ModuleImage& image : view_.images) {
      if (FileName(image.path).starts_with(kLibrary)) excluded.push_back(image.range);
    }
    // Its own ledger, and after a fork the parent's, and boards: they lie in one directory.
    const std::string_view own = FileName(process.ledger);
    for (const Mapping& ledger : view_.mappings) {
      if (FileName(ledger.path) != own || !ledger.shared) continue;
      const size_t directory = ledger.path.rfind('/');
      for (const Mapping& mapping : view_.mappings) {
        if (mapping.shared && mapping.path.rfind('/') == directory &&
            mapping.path.compare(0, directory, ledger.path, 0, directory) == 0 &&
            IsOurs(FileName(mapping.path))) {
          excluded.push_back(mapping.range);
        }
      }
    }
    return excluded;
  }

  std::vector<AddressRange> AnonymousMemory() const {
    std::vector<AddressRange> ranges;
    for (const Mapping& mapping : view_.mappings) {
      if (mapping.writable && mapping.readable && IsAnonymous(mapping)) {
        ranges.push_back(mapping.range);
      }
    }
    return ranges;
  }

  std::vector<uint64_t> LibcWords() {
    std::vector<uint64_t> words;
    for (const Mapping& mapping : view_.mappings) {
      const ModuleImage* image = ImageAt(view_.images, mapping.range.begin);
      if (image == nullptr || !mapping.writable || !FileName(image->path).starts_with("libc.so")) {
        continue;
      }
      const uint64_t end = std::min(mapping.range.end, image->range.end);
      for (uint64_t address = mapping.range.begin; address < end; address += 8) {
        if (const uint64_t word = memory_.WordOrZero(address)) words.push_back(word);
      }
    }
    std::sort(words.begin(), words.end());
    return words;
  }

  std::vector<uint64_t> ThreadWords() {
    const uint64_t size = ThreadLocalSize(view_.images);
    std::vector<uint64_t> words;
    for (const ThreadArea& area : view_.areas) {
      for (uint64_t at = area.descriptor - std::min(size, area.descriptor) / 8 * 8;
           at < area.descriptor; at += 8) {
        if (const uint64_t word = memory_.WordOrZero(at)) words.push_back(word);
      }
    }
    return words;
  }

  void ChooseCandidates() {
    for (size_t i = 0; i < snapshot_.connections.size(); ++i) {
      const Connection& connection = snapshot_.connections[i];
      if (!MayBeJudged(connection) || RegionAt(regions_, connection.handle) == nullptr) continue;
      Candidate candidate;
      candidate.connection = i;
      candidate.block =
          blocks_->BlockAt(connection.handle)
              .value_or(AddressRange{connection.handle, connection.handle + kTagRoom});
      candidates_.push_back(std::move(candidate));
    }
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return a.block.begin < b.block.begin; });
    // Two in one place: the ledger is damaged, or one of them is gone. Neither is judged.
    std::vector<bool> odd(candidates_.size());
    for (size_t i = 1; i < candidates_.size(); ++i) {
      if (candidates_[i].block.begin < candidates_[i - 1].block.end) odd[i] = odd[i - 1] = true;
    }
    size_t index = 0;
    std::erase_if(candidates_, [&](const Candidate&) { return odd[index++]; });
    judged_ = candidates_.size();
  }

  // --- Passes over memory ---------------------------------------------------------------------

  uint64_t Open() const {
    return static_cast<uint64_t>(
        std::count_if(candidates_.begin(), candidates_.end(),
                      [](const Candidate& candidate) { return !candidate.held; }));
  }

  bool OutOfTime() const { return ScanClock::now() >= deadline_; }

  bool NeedsPass() const {
    if (Open() == 0 || passes_ >= kPasses || reader_.refused() != 0 || OutOfTime()) return false;
    // Many passes over much memory would take long: half of the time must do.
    return passes_ < kMinPasses + 1 || ScanClock::now() < begin_ + (deadline_ - begin_) / 2;
  }

  // What the filter looks for: PGconns, and the blocks that lead to them.
  struct Owner {
    size_t candidate = 0;
    bool is_object = false;  // such a block, not the PGconn
    bool is_digit = false;   // of a Python int, see IsPythonDigit
  };
  struct Target {
    AddressRange range;
    std::vector<Owner> owners;
  };

  // The last word of a block is the first of the next chunk's header, which the allocator itself
  // points to.
  static AddressRange PointedTo(const AddressRange& block) {
    return {block.begin, block.size() > kTagRoom ? block.end - 8 : block.end};
  }

  // In order, without overlaps: what several connections share is one target.
  std::vector<Target> Targets() const {
    std::vector<Target> all;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if (candidates_[i].held) continue;
      all.push_back({PointedTo(candidates_[i].block), {{i, false}}});
      for (const AddressRange& object : candidates_[i].leading) {
        all.push_back({PointedTo(object), {{i, true}}});
      }
      const uint64_t handle = snapshot_.connections[candidates_[i].connection].handle;
      for (const uint64_t form : EncodedForms(handle, encodings_)) {
        all.push_back({{form, form + 1}, {{i, false, form == handle << 16}}});
      }
    }
    std::sort(all.begin(), all.end(),
              [](const Target& a, const Target& b) { return a.range.begin < b.range.begin; });
    std::vector<Target> targets;
    for (Target& target : all) {
      if (targets.empty() || target.range.begin >= targets.back().range.end) {
        targets.push_back(std::move(target));
        continue;
      }
      targets.back().range.end = std::max(targets.back().range.end, target.range.end);
      targets.back().owners.push_back(target.owners.front());
    }
    return targets;
  }

  // False: there is no use in another.
  bool Pass() {
    if (passes_ > 0 && !LookAtMaps().empty()) return false;
    const std::vector<Target> targets = Targets();
    if (targets.empty()) return false;
    std::vector<AddressRange> ranges;
    for (const Target& target : targets) ranges.push_back(target.range);
    filter_ = std::make_unique<AddressFilter>(std::move(ranges));
    targets_ = targets;
    for (Candidate& candidate : candidates_) candidate.pending.clear();

    const auto begin = ScanClock::now();
    const uint64_t read_before = reader_.bytes_read();
    unread_shared_ = 0;
    const bool backwards = passes_ % 2 != 0;
    bool complete = true;
    pass_done_ = 0;
    pass_all_ = 0;
    for (const Region& region : regions_) pass_all_ += region.range.size();
    for (size_t i = 0; i < regions_.size() && complete; ++i) {
      complete = ScanRegion(regions_[backwards ? regions_.size() - 1 - i : i]);
    }
    ns_ += std::chrono::duration_cast<std::chrono::nanoseconds>(ScanClock::now() - begin).count();
    bytes_ = std::max(bytes_, reader_.bytes_read() - read_before);
    if (!complete || reader_.refused() != 0) return false;
    ++passes_;
    Resolve();
    return true;
  }

  bool ScanRegion(const Region& region) {
    const uint64_t passed_over = reader_.bytes_passed_over();
    const bool complete =
        reader_.ForEachPiece(region.range, [&](uint64_t address, const uint8_t* data, size_t size) {
          sightings_.clear();
          filter_->Find(data, size, &sightings_);
          for (const Sighting& sighting : sightings_) {
            for (const Owner& owner : targets_[sighting.target].owners) {
              Note(owner, address + sighting.offset);
            }
          }
          if (options_.progress) {
            options_.progress(pass_done_ + address - region.range.begin, pass_all_);
          }
          return !OutOfTime();
        });
    pass_done_ += region.range.size();
    const Mapping& mapping = view_.mappings[region.mapping];
    if (mapping.shared && (!IsInMemoryAlone(mapping) || swap_in_use_)) {
      unread_shared_ += reader_.bytes_passed_over() - passed_over;
    }
    return complete;
  }

  void Hold(Candidate* candidate, Place place, uint64_t address) {
    if (candidate->held && candidate->place <= place) return;
    candidate->held = true;
    candidate->place = place;
    candidate->held_at = address;
  }

  static bool Contains(const std::vector<AddressRange>& ranges, uint64_t address) {
    return IndexAt(ranges, address, [](const AddressRange& range) { return range; }) <
           ranges.size();
  }

  // Two bytes in front of the digit are the end of the number of digits: 1, or 8 since 3.12. A
  // pointer behind any other word looks the same, but is a word with zeroes above, which is found
  // as such.
  bool IsPythonDigit(uint64_t address) {
    const uint64_t digit = address + 2;
    if (digit % 8 != 0) return false;
    const uint64_t count = memory_.WordOrZero(digit - 8);
    return (count == 1 || count == 8) && memory_.WordOrZero(digit) >> 32 != 0;
  }

  // A word at `address` leads to the target of `owner`.
  void Note(const Owner& owner, uint64_t address) {
    if (owner.is_digit && !IsPythonDigit(address)) return;
    Candidate& candidate = candidates_[owner.candidate];
    if (candidate.block.Contains(address)) return;
    if (owner.is_object && Contains(candidate.leading, address)) return;
    if (const ThreadArea* area = AreaAt(view_.areas, address)) {
      if (area->tid == ThreadArea::kEnded) return;
    }
    for (const auto& [dead, thread] : dead_stacks_) {
      if (!dead.Contains(address)) continue;
      Postpone(&candidate, {address, owner.is_object, thread.tid});
      return;
    }
    const Place place = PlaceOf(view_, address);
    if (place == Place::kHeap || (owner.is_object && InOpenSsl(address))) {
      Postpone(&candidate, {address, owner.is_object, 0});
    } else {
      Hold(&candidate, place, address);
    }
  }

  void Postpone(Candidate* candidate, const Pending& pending) {
    if (candidate->pending.size() < kMaxPending) {
      candidate->pending.push_back(pending);
    } else {
      Hold(candidate, pending.dead_on != 0 ? Place::kStack : Place::kHeap, pending.address);
    }
  }

  // Whether the thread has been where it was at the begin of the pass.
  bool StoodStill(int32_t tid, const std::vector<Thread>& now) const {
    const auto is_it = [tid](const Thread& thread) { return thread.tid == tid; };
    const auto before = std::find_if(view_.threads.begin(), view_.threads.end(), is_it);
    const auto after = std::find_if(now.begin(), now.end(), is_it);
    return before != view_.threads.end() && after != now.end() &&
           before->stack_pointer == after->stack_pointer;
  }

  // Tells which of the pending references are none.
  void Resolve() {
    memory_.Forget();
    recorded_.reset();
    const std::vector<Thread> threads = ListThreads(pid_);
    for (Candidate& candidate : candidates_) {
      if (candidate.held) continue;
      // Words in blocks of this connection, and in those of others.
      std::vector<uint64_t> own;
      std::vector<Pending> others;
      for (const Pending& pending : candidate.pending) {
        if (candidate.held) break;
        if (OutOfTime()) return;
        if (pending.dead_on != 0) {
          if (!StoodStill(pending.dead_on, threads)) {
            Hold(&candidate, Place::kStack, pending.address);
          }
          continue;
        }
        Judge(&candidate, pending, &own, &others);
      }
      if (!candidate.held) Follow(&candidate, own, others);
    }
  }

  // A reference on the heap: adds the address of its word to those that may be none, or holds.
  void Judge(Candidate* candidate, const Pending& pending, std::vector<uint64_t>* own,
             std::vector<Pending>* others) {
    // What was freed first: a stale pointer in the PGconn may lead there, too, and then the
    // allocator's own pointer to the free block would count as the program's.
    if (blocks_->IsFree(pending.address)) return;
    // libpq's own memory may have been the program's before, which may still have its address.
    if (const auto conn = Recorded().OwnerOfBlock(pending.address)) {
      candidate->relies_on.insert(recorded_connections_[*conn]);
      return;
    }
    if (!pending.to_object && IsOwn(candidate, pending.address)) {
      own->push_back(pending.address);
      return;
    }
    if (Recorded().Contains(pending.address)) {
      others->push_back(pending);
      return;
    }
    const auto conn = Recorded().OwnerOfWord(pending.address);
    if (pending.to_object && conn) {
      candidate->relies_on.insert(recorded_connections_[*conn]);
    } else {
      Hold(candidate, PlaceOf(view_, pending.address), pending.address);
    }
  }

  // Finds the blocks that lead to these words. With the same ones twice, and no other reference,
  // nothing leads to the connection.
  void Follow(Candidate* candidate, const std::vector<uint64_t>& own,
              const std::vector<Pending>& others) {
    std::vector<AddressRange> leading;
    if (!own.empty()) leading = LeadingTo(own, *candidate->objects, WordAt());
    if (!others.empty() || !candidate->relies_on.empty()) {
      AddThroughOthers(candidate, others, &leading);
    }
    if (candidate->held) return;
    if (leading == candidate->leading) {
      ++candidate->clean_passes;
    } else {
      candidate->leading = std::move(leading);
      candidate->clean_passes = 0;
    }
  }

  void AddThroughOthers(Candidate* candidate, const std::vector<Pending>& words,
                        std::vector<AddressRange>* leading) {
    std::vector<uint64_t> addresses;
    for (const AddressRange& block : *leading) addresses.push_back(block.begin);
    for (const Pending& word : words) {
      if (!word.to_object) addresses.push_back(word.address);
    }
    const RecordedBlocks::Leading more = Recorded().LeadingTo(addresses);
    for (const size_t root : more.roots) candidate->relies_on.insert(recorded_connections_[root]);
    leading->insert(leading->end(), more.blocks.begin(), more.blocks.end());
    *leading = Merged(std::move(*leading));
    for (const Pending& word : words) {
      if (!Contains(*leading, word.address)) Hold(candidate, Place::kHeap, word.address);
    }
    if (leading->size() > kMaxLeading) {
      Hold(candidate, Place::kHeap, words.empty() ? leading->front().begin : words.front().address);
    }
  }

  bool IsOwn(Candidate* candidate, uint64_t address) {
    if (!candidate->objects) {
      candidate->objects = FollowPointers(candidate->block, *blocks_, WordAt());
    }
    return candidate->objects->Contains(address);
  }

  bool InOpenSsl(uint64_t address) const {
    const ModuleImage* image = ImageAt(view_.images, address);
    return image != nullptr && IsOpenSsl(FileName(image->path));
  }

  // The blocks of all connections and of OpenSSL, as they are in this pass.
  const RecordedBlocks& Recorded() {
    if (recorded_) return *recorded_;
    std::vector<std::pair<AddressRange, size_t>> conns;
    for (size_t i = 0; i < snapshot_.connections.size(); ++i) {
      if (!HasConn(snapshot_.connections[i])) continue;
      const auto block = blocks_->BlockAt(snapshot_.connections[i].handle);
      if (block) conns.emplace_back(*block, i);
    }
    for (const Mapping& mapping : view_.mappings) {
      if (!mapping.writable || !InOpenSsl(mapping.range.begin)) continue;
      for (uint64_t begin = mapping.range.begin; begin < mapping.range.end;
           begin += kMaxBlockRead) {
        conns.emplace_back(AddressRange{begin, std::min(begin + kMaxBlockRead, mapping.range.end)},
                           kNoConnection);
      }
    }
    std::sort(conns.begin(), conns.end(),
              [](const auto& a, const auto& b) { return a.first.begin < b.first.begin; });
    std::vector<RecordedBlocks::Root> roots;
    recorded_connections_.clear();
    for (const auto& [block, connection] : conns) {
      if (!roots.empty() && block.begin < roots.back().range.end) continue;
      roots.push_back({block, connection != kNoConnection});
      recorded_connections_.push_back(connection);
    }
    return recorded_.emplace(roots, *blocks_, WordAt(), [this](uint64_t address) {
      const Mapping* mapping = MappingAt(view_.mappings, address);
      return mapping != nullptr && mapping->executable;
    });
  }

  // --- Beside memory --------------------------------------------------------------------------

  void HoldBy(Candidate* candidate, std::string by) {
    if (candidate->held) return;
    candidate->held = true;
    candidate->held_by = std::move(by);
  }

  void LookBesideMemory() {
    const std::vector<Target> targets = Targets();
    if (targets.empty()) return;
    std::vector<AddressRange> ranges;
    for (const Target& target : targets) ranges.push_back(target.range);
    const AddressFilter filter(std::move(ranges));
    const auto find = [&](const void* data, size_t size, const std::string& by) {
      std::vector<uint8_t> padded(size + AddressFilter::kMargin);
      std::memcpy(padded.data(), data, size);
      sightings_.clear();
      filter.Find(padded.data(), size, &sightings_);
      for (const Sighting& sighting : sightings_) {
        for (const Owner& owner : targets[sighting.target].owners) {
          HoldBy(&candidates_[owner.candidate], by);
        }
      }
    };
    const KernelReferences kernel = ReadKernelReferences(pid_);
    for (const KernelReference& reference : kernel.references) {
      find(&reference.value, sizeof reference.value, reference.where);
    }
    if (!kernel.missing.empty()) missing_ = kernel.missing;
    const StopOutcome outcome = WithThreadsStopped(
        pid_, options_.all_registers, [&](const std::vector<StoppedThread>& threads) {
          for (const StoppedThread& stopped : threads) {
            LookAtLiveStack(stopped.thread, filter, targets);
          }
          for (const StoppedThread& stopped : threads) {
            find(stopped.registers.data(), stopped.registers.size(),
                 fmt::format("register of {}",
                             DescribeThread({stopped.thread}, stopped.thread.tid)));
          }
        });
    // What it was called with can be had all the same.
    for (const Thread& thread : outcome.left_alone) {
      find(thread.activity.arguments.data(), sizeof thread.activity.arguments,
           fmt::format("register of {}", DescribeThread({thread}, thread.tid)));
    }
    if (!outcome.error.empty()) {
      missing_ = fmt::format("its threads' registers cannot be read: {}", outcome.error);
    } else if (!outcome.left_alone.empty()) {
      missing_ = MissingRegisters(outcome.left_alone);
    }
  }

  static std::string MissingRegisters(const std::vector<Thread>& left_alone) {
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

  void LookAtLiveStack(const Thread& thread, const AddressFilter& filter,
                       const std::vector<Target>& targets) {
    const auto dead = DeadStack(thread, view_.mappings, view_.areas);
    const Mapping* mapping = MappingAt(view_.mappings, thread.stack_pointer);
    if (!dead || mapping == nullptr) return;
    const ThreadArea* area = AreaAt(view_.areas, thread.stack_pointer);
    const uint64_t end = area != nullptr ? area->range.end : mapping->range.end;
    reader_.ForEachPiece({dead->end, end}, [&](uint64_t, const uint8_t* data, size_t size) {
      sightings_.clear();
      filter.Find(data, size, &sightings_);
      for (const Sighting& sighting : sightings_) {
        for (const Owner& owner : targets[sighting.target].owners) {
          HoldBy(&candidates_[owner.candidate],
                 fmt::format("stack of {}", DescribeThread({thread}, thread.tid)));
        }
      }
      return true;
    });
  }

  // --- The verdict ----------------------------------------------------------------------------

  // Neither ended nor replaced.
  bool IsSameProcess() const {
    const auto maps = ReadProcFile(fmt::format("/proc/{}/maps", pid_), kMaxMaps);
    return maps && MapsLedger(ParseMemoryMap(*maps));
  }

  ScanResult Finish() {
    if (reader_.refused() != 0 || !IsSameProcess()) {
      return Refuse(WhyRefused(pid_, IsSameProcess() ? reader_.refused() : ESRCH));
    }
    LedgerResult again = ReadLedger(AT_FDCWD, snapshot_.process.ledger, snapshot_.process.ledger);
    if (const auto* error = std::get_if<LedgerError>(&again)) return Refuse(error->sentence);
    const Snapshot& now = std::get<Snapshot>(again);

    ScanResult result;
    result.reachability = {
        std::vector<ConnectionReach>(snapshot_.connections.size(), {Reach::kNotJudged, {}, {}}),
        bytes_, passes_, reader_.bytes_read(), ns_};
    std::unordered_multimap<uint64_t, const Connection*> after_by_handle;
    after_by_handle.reserve(now.connections.size());
    for (const Connection& after : now.connections) after_by_handle.emplace(after.handle, &after);
    uint64_t unfinished = 0;
    for (const Candidate& candidate : candidates_) {
      const Connection& before = snapshot_.connections[candidate.connection];
      const auto [first, last] = after_by_handle.equal_range(before.handle);
      const bool untouched = std::any_of(
          first, last, [&](const auto& entry) { return Untouched(before, *entry.second); });
      if (!untouched) continue;
      // Memory of a connection that is gone may be the program's now.
      const bool reliable =
          std::all_of(candidate.relies_on.begin(), candidate.relies_on.end(), [&](size_t index) {
            if (index == kNoConnection) return true;  // OpenSSL itself
            const Connection& other = snapshot_.connections[index];
            const auto [from, to] = after_by_handle.equal_range(other.handle);
            return std::any_of(from, to,
                               [&](const auto& entry) { return IsSame(other, *entry.second); });
          });
      if (!candidate.held && !reliable) continue;
      ConnectionReach& reach = result.reachability.connections[candidate.connection];
      if (candidate.held) {
        reach = {Reach::kHeld, Where(candidate), {}};
      } else if (candidate.clean_passes < kMinPasses) {
        ++unfinished;
      } else {
        reach = Lost();
      }
    }
    if (unfinished != 0) {
      result.incomplete.push_back(fmt::format(
          "process {} ({}): the time for the search for lost connections was over before {} of {} "
          "were found, or missed twice; give more with --scan-time",
          pid_, snapshot_.process.service, unfinished, judged_));
    }
    return result;
  }

  std::string Where(const Candidate& candidate) const {
    if (!candidate.held_by.empty()) return candidate.held_by;
    return DescribePlace(view_, candidate.held_at, pid_, snapshot_.process.exe, symboliser_);
  }

  // Anonymous memory without access (mprotect(2) with PROT_NONE): a program may open it again. What
  // an allocator or a runtime has reserved is so, too, and has no pages. More than a gigabyte is
  // not asked for its pages.
  std::vector<AddressRange> ClosedMemory() const {
    constexpr uint64_t kMostAsked = uint64_t{1} << 30;
    std::vector<AddressRange> closed;
    for (const Mapping& mapping : view_.mappings) {
      if (!mapping.readable && IsAnonymous(mapping) && mapping.path.empty() &&
          mapping.range.size() <= kMostAsked) {
        closed.push_back(mapping.range);
      }
    }
    return closed;
  }

  ConnectionReach Lost() const {
    std::string missing = missing_;
    if (missing.empty() && unread_shared_ != 0) {
      missing = fmt::format("{} KiB of its shared memory are not in memory, and were not read",
                            unread_shared_ / 1024);
    }
    if (missing.empty()) {
      if (const uint64_t closed = reader_.PresentBytes(ClosedMemory()); closed != 0)
        missing = fmt::format(
            "{} KiB of its memory are closed to itself at this time, and were not "
            "read",
            closed / 1024);
    }
    if (missing.empty()) return {Reach::kLostProven, {}, {}};
    return {Reach::kLostLikely, {}, std::move(missing)};
  }

  const Snapshot& snapshot_;
  const int32_t pid_;
  const ScanOptions options_;
  const ScanClock::time_point begin_;
  const ScanClock::time_point deadline_;
  Symboliser* symboliser_;
  MemoryReader reader_;
  CachedMemory memory_;
  MemoryView view_;
  std::vector<Region> regions_;
  std::vector<std::pair<AddressRange, Thread>> dead_stacks_;
  std::optional<MallocBlocks> blocks_;
  Encodings encodings_;
  std::vector<Candidate> candidates_;
  size_t judged_ = 0;

  // Of the running pass.
  std::optional<RecordedBlocks> recorded_;
  std::vector<size_t> recorded_connections_;  // indexes into the snapshot, of recorded_'s
  std::unique_ptr<AddressFilter> filter_;
  std::vector<Target> targets_;
  std::vector<Sighting> sightings_;

  uint64_t passes_ = 0;
  uint64_t bytes_ = 0;
  uint64_t ns_ = 0;
  uint64_t pass_done_ = 0;  // bytes of the regions that this pass is through with
  uint64_t pass_all_ = 0;
  uint64_t unread_shared_ = 0;
  const bool swap_in_use_ = SwapInUse();
  std::string missing_;
};

}  // namespace

ScanResult ScanProcess(const Snapshot& snapshot, const ScanOptions& options,
                       Symboliser* symboliser) {
  return ProcessScan(snapshot, options, symboliser).Run();
}

}  // namespace pqleash::reporter
