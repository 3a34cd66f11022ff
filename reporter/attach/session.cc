// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/session.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstddef>
#include <vector>

#include "reporter/attach/thread_search.h"

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kSearchPatience = std::chrono::milliseconds(3'000);
constexpr auto kCallPatience = std::chrono::milliseconds(5'000);
constexpr uint64_t kPage = 4096;
constexpr uint64_t kStackSize = uint64_t{512} * 1024;
constexpr uint64_t kOrderSize = (sizeof(attach::Order) + kPage - 1) / kPage * kPage;

}  // namespace

uint64_t RemoteBlock::StackTop() const { return address + kStackSize; }
uint64_t RemoteBlock::Order() const { return address + kStackSize; }
uint64_t RemoteBlock::Text() const { return address + kStackSize + kOrderSize; }
uint64_t RemoteBlock::Size() { return kStackSize + kOrderSize + kTextSize; }

Session::Session(int32_t pid, const RemoteMemory& memory, RemoteStack* stack,
                 const LibcPlaces& places, RemoteBlock* block)
    : memory_(memory), places_(places), block_(block) {
  thread_ = HoldThread(pid, memory, stack, kSearchPatience, &error_);
  if (thread_ == nullptr) return;
  thread_->UseRestorer(places.restorer);
  if (places.errno_)
    thread_->KeepErrno(thread_->registers().fs_base + static_cast<uint64_t>(*places.errno_));
  if (block->address != 0) return;
  const auto address = thread_->Call(places.mmap,
                                     {0, RemoteBlock::Size(), PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~uint64_t{0}, 0},
                                     0, kCallPatience);
  if (!address || *address > ~kPage) {
    error_ = fmt::format("no memory could be had in it{}{}", thread_->why().empty() ? "" : ": ",
                         thread_->why());
    return;
  }
  block->address = *address;
}

Session::~Session() = default;

std::optional<uint64_t> Session::Call(uint64_t function,
                                      std::initializer_list<uint64_t> arguments) {
  const auto result = thread_->Call(function, arguments, block_->StackTop(), kCallPatience);
  if (!result) error_ = fmt::format("a call in it did not come back: {}", thread_->why());
  return result;
}

bool Session::Carry(uint64_t entry, attach::Order* order) {
  constexpr size_t kSize = offsetof(attach::Order, adopted);
  order->magic = attach::kOrderMagic;
  order->size = sizeof(attach::Order);
  order->function_count = kFunctionCount;
  order->result = attach::kNotCalled;
  // The list of connections and its length may be there already: they are left as they are.
  constexpr size_t kHead = offsetof(attach::Order, adopted_count);
  if (!memory_.Write(block_->Order(), order, kHead)) {
    error_ = "its memory cannot be written";
    return false;
  }
  if (!Call(entry, {block_->Order()})) return false;
  if (memory_.Read(block_->Order(), order, kSize) != kSize) {
    error_ = "its memory cannot be read";
    return false;
  }
  // Addresses of ours in its memory would be taken for calls to be led back.
  const std::vector<char> nothing(sizeof order->copies);
  memory_.Write(block_->Order() + offsetof(attach::Order, copies), nothing.data(), nothing.size());
  return true;
}

// On the thread's own stack: the block's is what goes.
void Session::FreeBlock() {
  if (thread_ == nullptr || block_->address == 0) return;
  thread_->Call(places_.munmap, {block_->address, RemoteBlock::Size()}, 0, kCallPatience);
  block_->address = 0;
}

uint64_t Session::HeldUs() const {
  if (thread_ == nullptr) return 0;
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - thread_->since())
          .count());
}

}  // namespace pqleash::reporter
