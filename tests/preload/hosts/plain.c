// SPDX-License-Identifier: Apache-2.0
//
// A program without libpq, linked in every way that there is.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char** argv) {
  char* copy = malloc(64);
  strcpy(copy, argc > 1 ? argv[1] : "nothing");
  printf("plain: %s\n", copy);
  free(copy);
  return 9;
}
