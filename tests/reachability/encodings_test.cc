// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/encodings.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "reporter/reachability/address_filter.h"

namespace pqleash::reporter {
namespace {

// In a heap that begins low (a program that is not position-independent), at a boundary of digits,
// and where most lie.
constexpr uint64_t kAddresses[] = {0x27e80e70, 0x3fffffff8, 0x7f0123456780, 0x555555a3c2b0};

// How often the forms of `address` are found in `memory`.
size_t Found(uint64_t address, const Encodings& encodings, std::vector<uint8_t> memory) {
  size_t found = 0;
  for (const uint64_t form : EncodedForms(address, encodings)) {
    const size_t size = memory.size();
    std::vector<uint8_t> padded = memory;
    padded.resize(size + AddressFilter::kMargin);
    std::vector<Sighting> sightings;
    AddressFilter({{form, form + 1}}).Find(padded.data(), size, &sightings);
    found += sightings.size();
  }
  return found;
}

void Put(const void* value, size_t size, size_t at, std::vector<uint8_t>* memory) {
  std::memcpy(memory->data() + at, value, size);
}

// A CPython int on a heap full of something: reference count, type, number of digits, digits.
std::vector<uint8_t> PythonInt(uint64_t value) {
  std::vector<uint8_t> memory(256, 0xa7);
  const uint64_t head[] = {1, 0x955e20, value >> 30 == 0 ? uint64_t{1} : 2};
  const uint32_t digits[] = {static_cast<uint32_t>(value & 0x3fffffff),
                             static_cast<uint32_t>(value >> 30)};
  Put(head, sizeof head, 64, &memory);
  Put(digits, value >> 30 == 0 ? 4 : 8, 64 + sizeof head, &memory);
  return memory;
}

TEST(Encodings, APythonIntIsFound) {
  for (const uint64_t address : kAddresses) {
    EXPECT_EQ(Found(address, {.python_digits = true}, PythonInt(address)), 1u) << address;
    EXPECT_EQ(Found(address, {.python_digits = true}, PythonInt(address + 16)), 0u) << address;
  }
}

TEST(Encodings, ARubyIntegerAndAJavaScriptNumberAreFound) {
  for (const uint64_t address : kAddresses) {
    std::vector<uint8_t> memory(128, 0x5c);
    const uint64_t fixnum = 2 * address + 1;
    Put(&fixnum, sizeof fixnum, 40, &memory);
    EXPECT_EQ(Found(address, {.ruby_fixnum = true}, memory), 1u) << address;
    const auto number = static_cast<double>(address);
    Put(&number, sizeof number, 40, &memory);
    EXPECT_EQ(Found(address, {.floating = true}, memory), 1u) << address;
  }
}

TEST(Encodings, AreThoseOfWhatIsLoaded) {
  const auto with = [](const char* path) {
    ModuleImage image;
    image.path = path;
    return EncodingsIn({image});
  };
  EXPECT_TRUE(with("/usr/bin/python3.11").python_digits);
  EXPECT_TRUE(with("/usr/lib/x86_64-linux-gnu/libpython3.13.so.1.0 (deleted)").python_digits);
  EXPECT_TRUE(with("/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2").ruby_fixnum);
  EXPECT_TRUE(with("/usr/bin/node").floating);
  const Encodings none = with("/opt/orders/bin/orders");
  EXPECT_FALSE(none.python_digits || none.ruby_fixnum || none.floating);
  EXPECT_TRUE(EncodedForms(0x1000, none).empty());
}

}  // namespace
}  // namespace pqleash::reporter
