// SPDX-License-Identifier: Apache-2.0
//
// How fast the memory of a process is searched: a child with much memory that was written to, and
// the search by its two parts, reading and comparing. Prints GB/s on one core.
//
//   scan_bench [MIB]

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "reporter/reachability/address_filter.h"
#include "reporter/reachability/memory_reader.h"

namespace pqleash::reporter {
namespace {

double CpuSeconds() {
  struct timespec now = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// `words`: 'zero', 'random', or 'pointers': half of all words lead somewhere into the same memory.
void Fill(const std::string& words, uint64_t* memory, size_t count) {
  uint64_t state = 88172645463325252;
  for (size_t i = 0; i < count; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const bool points = words == "pointers" && i % 2 == 0;
    memory[i] = words == "zero" ? 1
                : points        ? reinterpret_cast<uint64_t>(memory + state % count)
                                : state;
  }
}

void Measure(const std::string& words, size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) exit(1);
  int ready[2];
  if (pipe(ready) != 0) exit(1);
  const pid_t child = fork();
  if (child == 0) {
    Fill(words, static_cast<uint64_t*>(memory), size / 8);
    close(ready[1]);
    close(ready[0]);
    for (;;) pause();
  }
  close(ready[1]);
  char byte;
  if (read(ready[0], &byte, 1) != 0) exit(1);
  close(ready[0]);
  const auto base = reinterpret_cast<uint64_t>(memory);
  // A hundred connections, all over the memory.
  std::vector<AddressRange> targets;
  for (uint64_t i = 0; i < 100; ++i) {
    const uint64_t at = base + i * (size / 100) / 16 * 16;
    targets.push_back({at, at + 1'200});
  }
  const AddressFilter filter(targets);
  for (const bool compare : {false, true}) {
    MemoryReader reader(child);
    std::vector<Sighting> sightings;
    uint64_t found = 0;
    const double begin = CpuSeconds();
    reader.ForEachPiece({base, base + size}, [&](uint64_t, const uint8_t* data, size_t bytes) {
      if (compare) {
        sightings.clear();
        filter.Find(data, bytes, &sightings);
        found += sightings.size();
      }
      return true;
    });
    const double seconds = CpuSeconds() - begin;
    fmt::print("{:9} {:24} {:5.2f} GB/s ({:.1f} GB, {} addresses found)\n", words,
               compare ? "read and compared" : "read",
               static_cast<double>(reader.bytes_read()) / seconds * 1e-9,
               static_cast<double>(reader.bytes_read()) * 1e-9, found);
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  munmap(memory, size);
}

}  // namespace
}  // namespace pqleash::reporter

int main(int argc, char** argv) {
  const size_t mib = argc > 1 ? strtoul(argv[1], nullptr, 10) : 2'048;
  for (const char* words : {"zero", "random", "pointers"}) {
    pqleash::reporter::Measure(words, mib << 20);
  }
  return 0;
}
