// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_STACK_SCRIPT_INTERPRETERS_H_
#define PQLEASH_SHIM_STACK_SCRIPT_INTERPRETERS_H_

#include "shim/ledger/script_frame_table.h"
#include "shim/stack/call_sites.h"
#include "shim/stack/loader_state.h"
#include "shim/stack/script/script_frames.h"

namespace pqleash::stack {

// Adds to `stack` at most `depth` frames of the program that an interpreter is running on this
// thread: of the first of Python, Ruby, PHP and Perl that has any. The interpreters are looked for
// among what is loaded, and again when the dynamic linker has loaded more. May wait for the
// interpreter's lock, and may not return at all where the interpreter ends the thread: call it with
// no lock of ours held and nothing half done.
void CaptureScript(ledger::ScriptFrameTable& table, uint32_t depth, const LoaderState& loader,
                   Stack* stack);

// The same for a use of a connection: adds frames of the interpreters that captures have found, and
// whose frames are read as memory. Waits for nobody, and looks for nothing. `may_add` false: of
// frames that `table` knows. False: it cannot be told what frames there are, as an interpreter with
// a lock is here, or the linker has removed an object since a capture has looked.
bool CaptureScriptOfUse(ledger::ScriptFrameTable& table, uint32_t depth, const LoaderState& loader,
                        bool may_add, Stack* stack);

// Who closes a connection now, on this thread. Asks the interpreters that captures have found:
// nothing is looked for that was not there at a connect, no lock is waited for, and nothing of an
// interpreter runs. Where none was found it costs a load for each. Otherwise up to some
// microseconds: for PQfinish, not for the path of a query.
Closer WhoCloses() noexcept;

// Bits 1 << ledger::Language of the interpreters whose frames have been taken in this process.
uint32_t InterpretersSeen();

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_SCRIPT_INTERPRETERS_H_
