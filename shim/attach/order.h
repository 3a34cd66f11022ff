// SPDX-License-Identifier: Apache-2.0
//
// What `pqleash attach` asks of the library in a process that runs already, and what the library
// answers: a block in the process's memory, which the tool writes and reads, and the one exported
// function that takes it. The only thing besides the ledger's layout that the two share.
//
// The tool calls pqleash_attach on one thread of the process, with all signals blocked and a stack
// of its own, while the other threads run. Every number in an answer is hostile input for the tool.

#ifndef PQLEASH_SHIM_ATTACH_ORDER_H_
#define PQLEASH_SHIM_ATTACH_ORDER_H_

#include <cstdint>

#include "shim/interpose/function.h"

namespace pqleash::attach {

// Raised with any change of this file: tool and library must be of one version.
inline constexpr uint64_t kOrderMagic = 0x6361'7474'6171'7001;
inline constexpr char kEntry[] = "pqleash_attach";

enum Command : uint32_t {
  // Takes the variables over and makes the state of the process and its ledger. Answers how to
  // redirect calls, and where the fields of a PGconn lie.
  kBegin = 1,
  // The calls are redirected. Takes over the connections that Order::adopted_count says, which have
  // been waiting in Order::adopted since the words were written.
  kFinish = 2,
  // Everything goes on to libpq from now on, and the ledger says detached. Answers as kBegin.
  kDetach = 3,
};

enum Result : uint32_t {
  kNotCalled = 0,
  kDone = 1,
  kStaysOut = 2,        // switched off, a set-user-ID program, a server of PostgreSQL
  kAlreadyCovered = 3,  // kBegin: the library records this process, by a preload or an attach
  kNotAttached = 4,     // kFinish, kDetach: it does not, or came by a preload
  kNoState = 5,         // no memory, or a sandbox
  kOtherVersion = 6,    // of the order
  kHeldBack = 7,  // kDetach: a cap holds connects back, or has refused some that are not closed yet
  kListInUse = 8,  // kFinish: done, but a thread still reads Order::adopted: it must stay mapped
};

// Copies of libpq whose calls can be redirected each to itself: kBoundCopies of interpose/bound.h.
inline constexpr uint32_t kCopies = 4;
inline constexpr uint32_t kNoOffset = UINT32_MAX;

// Where fields of a PGconn of one copy of libpq lie, in bytes from its begin, as its own functions
// read them; kNoOffset: could not be found.
struct Fields {
  uint32_t status;       // ConnStatusType, 4 bytes
  uint32_t socket;       // 4 bytes
  uint32_t backend_pid;  // 4 bytes
  uint32_t transaction;  // PGTransactionStatusType, 4 bytes
  uint32_t dbname;       // pointer to a text
  uint32_t user;         // likewise
  uint32_t hosts;        // pointer to an array of records, one for each host of the conninfo
  uint32_t which_host;   // number of the one that is in use, 4 bytes
  uint32_t host_size;    // of a record; and in it:
  uint32_t host;         // pointer to a text
  uint32_t port;         // likewise
  uint32_t reserved;
};
static_assert(sizeof(Fields) == 48);

struct Copy {
  uint64_t signature;  // set by the tool: address of its PQconnectStart; 0: no more copies
  uint32_t number;     // of the library's own; kNoOffset: it cannot be tracked
  uint32_t version;    // PQlibVersion
  Fields fields;
  // Of each intercepted function: the wrapper that calls this copy's; 0: there is none.
  uint64_t wrappers[kFunctionCount];
};

// A connection that was open before.
struct Adopted {
  uint64_t handle;  // address of the PGconn; 0: taken
  uint32_t copy;    // Copy::number
  int32_t backend_pid;
  uint32_t transaction;  // PGTransactionStatusType
  uint32_t port;         // 0: not known
  char host[108];        // as PQhost has it
  char dbname[64];
  char user[64];
};
static_assert(sizeof(Adopted) == 264);
inline constexpr uint32_t kMaxAdopted = 4'096;

struct Order {
  uint64_t magic;
  uint32_t size;            // of this struct
  uint32_t function_count;  // kFunctionCount
  uint32_t command;         // Command
  uint32_t result;          // Result
  // NAME=VALUE of what begins with PQLEASH_, each with its NUL, one behind the other; an empty one
  // ends the list.
  char variables[3'072];
  Copy copies[kCopies];
  // Answer of kBegin: the word into which the tool writes the address of this order when the calls
  // are redirected. Whichever thread then calls libpq for a connection that is not known takes the
  // adopted ones over; kFinish does it in any case.
  uint64_t waiting_word;
  uint32_t adopted_count;
  uint32_t taken_count;  // answer of kFinish: those of them that were entered; before: 0
  Adopted adopted[kMaxAdopted];
};

}  // namespace pqleash::attach

// In the library. `order`: in writable memory of this process.
extern "C" void pqleash_attach(pqleash::attach::Order* order);

#endif  // PQLEASH_SHIM_ATTACH_ORDER_H_
