// SPDX-License-Identifier: Apache-2.0
//
// What a host does with libpq while something of its surroundings fails, and what it sees of that.
// Everything it sees goes into a Seen, which lies in memory that outlives the host: the calls that
// print may be the ones that fail.

#ifndef PQLEASH_TESTS_FAULTS_PROGRAMS_WORK_H_
#define PQLEASH_TESTS_FAULTS_PROGRAMS_WORK_H_

#include <cstdint>

namespace faults {

struct Seen {
  char calls[512];        // one letter or digit for each thing that a call said
  uint32_t size;          // of it
  int32_t descriptors;    // open after the work, less those before
  uint32_t mask_changed;  // 1: the signal mask is another one
};

// Connects, asks, begins a transaction, connects asynchronously, fails to connect, resets and
// finishes.
void WorkOnce(Seen* seen);

// Opens and closes connections by as many ways through the code as `count` has bits and more, and
// keeps them open beside each other: the ledger has to grow.
void WorkMany(int count, Seen* seen);

// The same as WorkOnce in `count` threads at once.
void WorkInThreads(int count, Seen* seen);

// Notes what is open and blocked now, and afterwards what has changed.
class Surroundings {
 public:
  Surroundings();
  void Compare(Seen* seen) const;

 private:
  int descriptors_;
  uint64_t mask_;
};

}  // namespace faults

#endif  // PQLEASH_TESTS_FAULTS_PROGRAMS_WORK_H_
