// SPDX-License-Identifier: Apache-2.0

#include "tests/faults/programs/nth.h"

#include <malloc.h>

namespace faults {

void WarmHeap() {
  constexpr int kBytes = 32 << 20;
  mallopt(M_TOP_PAD, kBytes);
  mallopt(M_TRIM_THRESHOLD, 2 * kBytes);
  mallopt(M_MMAP_THRESHOLD, kBytes);
  void* volatile block = malloc(kBytes / 2);  // more than there is: the heap grows
  free(block);
}

}  // namespace faults
