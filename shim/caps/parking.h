// SPDX-License-Identifier: Apache-2.0
//
// Parked connects: asynchronous connects that a cap holds back while their host waits for a
// descriptor, as it does for libpq's.
//
// Each parked connect has a pair of sockets. One end is the park fd, which PQsocket returns. It is
// writable at once, which a host waits for first. It becomes readable when the connect may go or is
// refused. It must be a socket, because a host may ask for any property of one; a timerfd or an
// eventfd would not do.
//
// One thread serves all parked connects. It exists while at least one connect is parked.
//
// Invariants
//  1. A place is parked from Park to Unpark. During that time its slot is in the list exactly once.
//  2. While the list is not empty, the thread runs or is about to run.
//  3. A descriptor is written to or closed only while it is still the socket that was made. A host
//     that closes descriptors it did not open (closefrom) may have reused the number.
//
// No heap, no exceptions. Lives in memory fresh from mmap; valid and empty as zero bytes.

#ifndef PQLEASH_SHIM_CAPS_PARKING_H_
#define PQLEASH_SHIM_CAPS_PARKING_H_

#include <atomic>
#include <cstdint>

#include "shim/caps/clerk.h"
#include "shim/support/bounded_lock.h"

namespace pqleash::caps {

// A descriptor, and the identity of the socket that it stands for.
struct OwnSocket {
  int fd;
  uint64_t device;
  uint64_t inode;
};

struct ParkingPlace {
  OwnSocket park;     // the end that the host has
  OwnSocket other;    // our end
  uint32_t position;  // index in the list plus 1; 0: not parked
  uint32_t ticket;    // identifies this stay, because places are reused
  bool called;        // the byte has been sent
};

// Thread-safe. A forked child does not use its parent's; it makes its own.
class Parking {
 public:
  // Sets the zeroed memory for `capacity` places and slots, which must outlive this object.
  // UseClerk must be called before the first Park.
  void Use(ParkingPlace* places, uint32_t* list, uint32_t capacity);
  void UseClerk(Clerk* clerk) { clerk_ = clerk; }

  // Parks the connect of `slot`: from now on the clerk is asked for it. Returns false, and leaves
  // nothing behind, if there are no descriptors, no thread or no clerk. Keeps errno.
  bool Park(uint32_t slot);
  // Returns the descriptor that PQsocket reports for a parked slot.
  int Socket(uint32_t slot) const { return places_[slot].park.fd; }
  // Closes both ends. A look that is under way may still ask the clerk for the slot once. Does
  // nothing if the slot is not parked. Keeps errno.
  void Unpark(uint32_t slot);

  // Asks the clerk, for the host's own poll.
  Parked Look(uint32_t slot, uint64_t now);

  uint32_t parked() const { return parked_.load(std::memory_order_relaxed); }
  // The serving thread exists.
  bool served() const { return served_.load(std::memory_order_relaxed); }

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
  uint32_t* list_;  // the parked slots, in no order
  uint32_t capacity_;
  uint32_t tickets_;
  BoundedLock lock_;
  std::atomic<uint32_t> parked_;  // changed under lock_
  std::atomic<bool> served_;      // changed under lock_
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_PARKING_H_
