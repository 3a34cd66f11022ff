// SPDX-License-Identifier: Apache-2.0
//
// A plugin whose thread-local variables must lie in the room that the linker keeps for libraries
// that are opened late. There are some 1,600 bytes of it for everybody.

#ifndef PQLEASH_TLS_BYTES
#define PQLEASH_TLS_BYTES 1
#endif

__attribute__((
    tls_model("initial-exec"))) static thread_local volatile char room[PQLEASH_TLS_BYTES];

extern "C" __attribute__((visibility("default"))) int TouchRoom() {
  room[PQLEASH_TLS_BYTES - 1] = 1;
  return room[PQLEASH_TLS_BYTES - 1];
}
