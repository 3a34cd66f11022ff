// SPDX-License-Identifier: Apache-2.0
//
// Connections that look different from what libpq knows of them, because a cap holds them back:
//
//             PQstatus            PQsocket     PQerrorMessage  PQconnectPoll, PQresetPoll
//   parked    CONNECTION_STARTED  the park fd  libpq's         READING
//   refused   CONNECTION_BAD      -1           ours            FAILED
//
// and PQhost, PQport and PQpass are answered for both, since libpq's own would read out of bounds
// (libpq/nested_poll.h).

#ifndef PQLEASH_SHIM_TRACKER_HELD_BACK_H_
#define PQLEASH_SHIM_TRACKER_HELD_BACK_H_

#include <libpq-fe.h>

#include <atomic>
#include <cstdint>

#include "shim/caps/refusal.h"

namespace pqleash::tracker {

enum class Guise : uint32_t {
  kNone,
  kParked,
  kRefused,
  kRefusedForGood,  // and libpq cannot reset it (libpq::Attempt::Refuse)
};

struct HeldBackSlot {
  Guise guise;
  int park_fd;                    // of kParked
  uint32_t resumes_as;            // of kParked: ledger::ConnectionState when it may go
  char text[caps::kRefusalSize];  // of the refusals; ends with a newline as libpq's messages do
  char host[256];                 // where it would have been connected to
  char port[64];
  char empty[1];

  ConnStatusType Status() const {
    return guise == Guise::kParked ? CONNECTION_STARTED : CONNECTION_BAD;
  }
  int Socket() const { return guise == Guise::kParked ? park_fd : -1; }
  // libpq has nothing to say of a connect that is under way.
  char* ErrorMessage() { return guise == Guise::kParked ? empty : text; }
};

// A slot is used by one thread at a time, as libpq demands of its PGconn.
class HeldBack {
 public:
  // Zeroed memory for as many slots as the ledger has; it is touched where a connection is held
  // back and nowhere else.
  void Use(HeldBackSlot* slots) { slots_ = slots; }

  // True while no connection of this process is held back: one load. A child of a fork may go on
  // to say false, which costs it a look.
  static bool None() { return count_.load(std::memory_order_relaxed) == 0; }

  HeldBackSlot& At(uint32_t slot) { return slots_[slot]; }
  Guise GuiseOf(uint32_t slot) const { return None() ? Guise::kNone : slots_[slot].guise; }

  // What a refusal will say, cut to fit; without a newline at its end. May be set before.
  void SetText(uint32_t slot, const char* text);
  // The same text as libpq would be given it: without the newline.
  void CopyText(uint32_t slot, char (&text)[sizeof(HeldBackSlot::text)]) const;
  void SetTarget(uint32_t slot, const char* host, const char* port);

  void Park(uint32_t slot, int park_fd, uint32_t resumes_as);
  void Refuse(uint32_t slot, bool for_good);
  // From now on libpq speaks for itself. The texts stay until the slot is held back again: the
  // host may have pointers to them.
  void Release(uint32_t slot);

 private:
  void Disguise(uint32_t slot, Guise guise);

  static std::atomic<uint32_t> count_;
  HeldBackSlot* slots_;
};

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_HELD_BACK_H_
