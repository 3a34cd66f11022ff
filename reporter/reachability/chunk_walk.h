// SPDX-License-Identifier: Apache-2.0
//
// Which blocks of glibc's allocator contain some addresses: found by going through a heap from
// chunk to chunk, as each one's size tells where the next begins (malloc.c, "struct malloc_chunk").
// Pure.

#ifndef PQLEASH_REPORTER_REACHABILITY_CHUNK_WALK_H_
#define PQLEASH_REPORTER_REACHABILITY_CHUNK_WALK_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/module_images.h"

namespace pqleash::reporter {

// `heap`: memory that the kernel lists as one, with a heap of the first thread, one of another
// thread (malloc.c's arena.c, "heap_info"), or blocks with mappings of their own. `addresses`: in
// order, all in `heap`. For each the memory that malloc returned, in use; no value: it cannot be
// told, since the memory is another allocator's, was freed, or changed meanwhile.
std::vector<std::optional<AddressRange>> BlocksWith(const std::vector<uint64_t>& addresses,
                                                    const AddressRange& heap,
                                                    const ReadMemory& read);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_CHUNK_WALK_H_
