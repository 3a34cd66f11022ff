// SPDX-License-Identifier: Apache-2.0
//
// Whose loading takes a while.

#include <stdio.h>
#include <unistd.h>

__attribute__((constructor)) static void construct(void) {
  printf("constructing\n");
  usleep(700 * 1000);
}
