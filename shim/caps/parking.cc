// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/parking.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/log/log.h"
#include "shim/support/clock.h"
#include "shim/support/futex.h"
#include "shim/support/host_state.h"
#include "shim/support/signals_blocked.h"

namespace pqleash::caps {

namespace {

// Enough for the clerk's look at a board and for a line of the log, beside the host's static TLS.
constexpr size_t kStackSize = size_t{256} * 1024;
constexpr int kFirstOwnDescriptor = 3;  // a host without stdin must not find a socket there

bool Identify(int fd, OwnSocket* socket) {
  struct stat status;
  if (fstat(fd, &status) != 0) return false;
  *socket = {fd, status.st_dev, status.st_ino};
  return true;
}

bool StillOurs(const OwnSocket& socket) {
  OwnSocket now;
  return Identify(socket.fd, &now) && now.device == socket.device && now.inode == socket.inode;
}

void CloseOurs(const OwnSocket& socket) {
  if (StillOurs(socket)) close(socket.fd);
}

int AboveStandard(int fd) {
  if (fd < 0 || fd >= kFirstOwnDescriptor) return fd;
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, kFirstOwnDescriptor);
  close(fd);
  return moved;
}

bool MakePair(OwnSocket* park, OwnSocket* other) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) return false;
  fds[0] = AboveStandard(fds[0]);
  fds[1] = AboveStandard(fds[1]);
  if (fds[0] >= 0 && fds[1] >= 0 && Identify(fds[0], park) && Identify(fds[1], other)) return true;
  if (fds[0] >= 0) close(fds[0]);
  if (fds[1] >= 0) close(fds[1]);
  return false;
}

}  // namespace

// Holds the lock. Keeps the host's state and blocks the thread's signals meanwhile.
class Parking::Section {
 public:
  explicit Section(BoundedLock& lock) : lock_(lock) {
    // Waits longer than elsewhere. On a busy machine the holder may not run for a while, and a
    // connect that cannot be parked is refused.
    for (int turn = 0; turn < kPatience && !held_; ++turn) held_ = lock_.Acquire();
  }
  ~Section() {
    if (held_) lock_.Release();
  }
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;
  bool held() const { return held_; }

 private:
  const HostStateKeeper keeper_;
  const SignalsBlocked signals_;
  static constexpr int kPatience = 16;
  BoundedLock& lock_;
  bool held_ = false;
};

void Parking::Use(ParkingPlace* places, uint32_t* list, uint32_t capacity) {
  places_ = places;
  list_ = list;
  capacity_ = capacity;
}

void Parking::Enter(uint32_t slot) {
  const uint32_t index = parked_.load(std::memory_order_relaxed);
  list_[index] = slot;
  ParkingPlace& place = places_[slot];
  place.position = index + 1;
  place.ticket = ++tickets_;
  place.called = false;
  parked_.store(index + 1, std::memory_order_relaxed);
}

void Parking::Leave(uint32_t slot) {
  ParkingPlace& place = places_[slot];
  const uint32_t last = parked_.load(std::memory_order_relaxed) - 1;
  const uint32_t moved = list_[last];
  list_[place.position - 1] = moved;
  places_[moved].position = place.position;
  place.position = 0;
  parked_.store(last, std::memory_order_relaxed);
}

bool Parking::StartServing() {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackSize);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, Serve, this);
  // The host's static TLS alone is larger: use the default stack size of its threads.
  if (error == EINVAL) {
    pthread_attr_destroy(&attributes);
    if (pthread_attr_init(&attributes) != 0) return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    error = pthread_create(&thread, &attributes, Serve, this);
  }
  pthread_attr_destroy(&attributes);
  return error == 0;
}

bool Parking::Park(uint32_t slot) {
  if (clerk_ == nullptr || slot >= capacity_) return false;
  {
    const Section section(lock_);
    ParkingPlace& place = places_[slot];
    if (!section.held() || place.position != 0) return false;
    if (!MakePair(&place.park, &place.other)) return false;
    Enter(slot);
    if (!served_.load(std::memory_order_relaxed)) {
      if (!StartServing()) {
        Leave(slot);
        CloseOurs(place.park);
        CloseOurs(place.other);
        return false;
      }
      served_.store(true, std::memory_order_relaxed);
    }
  }
  const ErrnoKeeper errno_keeper;
  clerk_->Nudge();
  return true;
}

void Parking::Unpark(uint32_t slot) {
  if (slot >= capacity_) return;
  bool last;
  {
    const Section section(lock_);
    ParkingPlace& place = places_[slot];
    // Without the lock the descriptors stay open, which is better than closing them under the
    // thread.
    if (!section.held() || place.position == 0) return;
    Leave(slot);
    CloseOurs(place.park);
    CloseOurs(place.other);
    last = parked_.load(std::memory_order_relaxed) == 0;
  }
  const ErrnoKeeper errno_keeper;
  if (last) clerk_->Nudge();  // so that the thread ends
}

Parked Parking::Look(uint32_t slot, uint64_t now) {
  uint64_t unused = UINT64_MAX;
  return clerk_->Look(slot, now, &unused);
}

void* Parking::Serve(void* parking) {
  prctl(PR_SET_NAME, "pqleash");
  static_cast<Parking*>(parking)->ServeAll();
  return nullptr;
}

void Parking::ServeAll() {
  WaitClock clock;
  while (!Finished()) {
    // Read before the looks, so that later changes are noticed.
    const uint32_t seen = clerk_->Changes();
    uint64_t look_again = UINT64_MAX;
    LookAtAll(clock.Now(), &look_again);
    log::Flush();
    if (parked() != 0) clerk_->Sleep(seen, look_again, clock);
  }
}

// The thread gives up its role under the same lock as the check for the last connect. The next one
// that is parked starts another thread.
bool Parking::Finished() {
  const Section section(lock_);
  if (!section.held()) return false;
  if (parked_.load(std::memory_order_relaxed) != 0) return false;
  served_.store(false, std::memory_order_relaxed);
  return true;
}

// Walks from the end of the list. If a connect leaves meanwhile, the last one, which has been
// looked at, takes its place. If one comes meanwhile, it nudges the clerk. The clerk is asked
// without the lock.
void Parking::LookAtAll(uint64_t now, uint64_t* look_again) {
  for (uint32_t left = capacity_; left > 0;) {
    uint32_t slot;
    uint32_t ticket;
    bool called;
    {
      const Section section(lock_);
      const uint32_t count = parked_.load(std::memory_order_relaxed);
      if (!section.held() || count == 0) return;
      if (left > count) left = count;
      slot = list_[--left];
      ticket = places_[slot].ticket;
      called = places_[slot].called;
    }
    if (called) continue;
    if (clerk_->Look(slot, now, look_again) != Parked::kWaiting) Call(slot, ticket);
  }
}

// Makes the park fd readable, unless the slot has been unparked meanwhile.
void Parking::Call(uint32_t slot, uint32_t ticket) {
  const Section section(lock_);
  ParkingPlace& place = places_[slot];
  if (!section.held() || place.position == 0 || place.ticket != ticket) return;
  place.called = true;
  // Uses send, not write, because send does nothing to a descriptor that is no socket.
  if (StillOurs(place.other)) send(place.other.fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace pqleash::caps
