// SPDX-License-Identifier: Apache-2.0
//
// Runs a target on each file of the directories that are named, once: what CTest does in every
// build. Needs no libFuzzer, which only scripts/fuzz asks for.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

size_t Replay(const std::filesystem::path& directory) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    if (!file.good() && !file.eof()) {
      std::fprintf(stderr, "%s cannot be read\n", entry.path().c_str());
      return 0;
    }
    // Said before it is run: a crash leaves it as the last line.
    std::printf("%s\n", entry.path().c_str());
    std::fflush(stdout);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    ++files;
  }
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  LLVMFuzzerTestOneInput(nullptr, 0);
  for (int i = 1; i < argc; ++i) {
    if (Replay(argv[i]) == 0) {
      std::fprintf(stderr, "nothing to replay in %s\n", argv[i]);
      return 1;
    }
  }
  return argc > 1 ? 0 : 1;
}
