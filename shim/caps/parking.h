// SPDX-License-Identifier: Apache-2.0
//
// Parked connects: asynchronous connects that a cap holds back while their host goes on waiting for
// a descriptor, as it does for libpq's.
//
// Each has a pair of sockets. One end is the park fd that PQsocket names: writable at once, which a
// host waits for first, and readable when the connect may go or is refused. A host may ask for any
// property of a socket: a timer or an eventfd would not do.
//
// One thread serves them all. It is there while a connect is parked and not otherwise.
//
// Invariants
//  1. A place is parked from Park to Unpark; its slot is then in the list exactly once.
//  2. The thread runs, or is about to, while the list is not empty.
//  3. A descriptor is written to or closed only while it is still the socket that was made: a host
//     that closes what it did not open (closefrom) may have given the number to something else.
//
// No heap, no exceptions. Lives in memory fresh from mmap: all zero bytes is empty.

#ifndef PQLEASH_SHIM_CAPS_PARKING_H_
#define PQLEASH_SHIM_CAPS_PARKING_H_

#include <atomic>
#include <cstdint>

#include "shim/caps/clerk.h"
#include "shim/support/bounded_lock.h"

namespace pqleash::caps {

// A descriptor, and which socket it stands for.
struct OwnSocket {
  int fd;
  uint64_t device;
  uint64_t inode;
};

struct ParkingPlace {
  OwnSocket park;     // the host's end
  OwnSocket other;    // ours
  uint32_t position;  // 1 + index in the list; 0: not parked
  uint32_t ticket;    // of this stay: places are used again
  bool called;        // the byte is written
};

// Thread-safe. After a fork the child has none of this: it makes its own.
class Parking {
 public:
  // Zeroed memory for `capacity` places and slots. The clerk is given before the first Park.
  void Use(ParkingPlace* places, uint32_t* list, uint32_t capacity);
  void UseClerk(Clerk* clerk) { clerk_ = clerk; }

  // From now on the clerk is asked for `slot`. False: no descriptors, no thread or no clerk, and
  // nothing was left behind. errno is kept.
  bool Park(uint32_t slot);
  // What PQsocket is to say of a parked slot.
  int Socket(uint32_t slot) const { return places_[slot].park.fd; }
  // Closes both ends. The clerk may be asked for the slot once more, by a look that is under way.
  // Does nothing for a slot that is not parked. errno is kept.
  void Unpark(uint32_t slot);

  // What the clerk says, for the host's own poll.
  Parked Look(uint32_t slot, uint64_t now);

  uint32_t parked() const { return parked_.load(std::memory_order_relaxed); }
  bool served() const { return served_.load(std::memory_order_relaxed); }  // the thread is there

 private:
  class Section;

  static void* Serve(void* parking);
  void ServeAll();
  bool Finished();
  void LookAtAll(uint64_t now, uint64_t* look_again);
  void Call(uint32_t slot, uint32_t ticket);
  bool StartServing();
  void Enter(uint32_t slot);
  void Leave(uint32_t slot);

  Clerk* clerk_;
  ParkingPlace* places_;
  uint32_t* list_;  // of the slots that are parked, in no order
  uint32_t capacity_;
  uint32_t tickets_;
  BoundedLock lock_;
  std::atomic<uint32_t> parked_;  // changed under lock_
  std::atomic<bool> served_;      // changed under lock_
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_PARKING_H_
