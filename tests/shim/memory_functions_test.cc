// SPDX-License-Identifier: Apache-2.0
//
// The product's own functions of <string.h>, under other names, held against libc's.

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#define memcpy OwnMemcpy
#define memmove OwnMemmove
#define memset OwnMemset
#define memcmp OwnMemcmp
#define memchr OwnMemchr
#define strlen OwnStrlen
#define strnlen OwnStrnlen
#define strcmp OwnStrcmp
#define strncmp OwnStrncmp
#define strchr OwnStrchr
#define strrchr OwnStrrchr
#define strstr OwnStrstr
#define strspn OwnStrspn
#define strcspn OwnStrcspn
#define strcpy OwnStrcpy
#include "shim/support/memory_functions.cc"  // NOLINT: the names are libc's in the product
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#undef strstr
#undef strspn
#undef strcspn
#undef strcpy

namespace pqleash {
namespace {

int Sign(int value) { return (value > 0) - (value < 0); }

// Texts of few letters, so that many are equal for a while; up to 40 of them, and at any alignment.
class MemoryFunctions : public ::testing::Test {
 protected:
  std::string Text() {
    std::string text(std::uniform_int_distribution<size_t>(0, 40)(random_), 'a');
    for (char& letter : text)
      letter = static_cast<char>("ab\x80"[std::uniform_int_distribution<int>(0, 2)(random_)]);
    return text;
  }
  size_t Number(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit)(random_); }

  std::minstd_rand random_{4711};  // NOLINT: the same texts each time
};

TEST_F(MemoryFunctions, CompareAsLibcDoes) {
  for (int round = 0; round < 5000; ++round) {
    const std::string a = Text();
    const std::string b = Number(3) == 0 ? a : Text();
    const size_t both = std::min(a.size(), b.size());
    const size_t some = Number(both);
    EXPECT_EQ(Sign(OwnMemcmp(a.data(), b.data(), some)), Sign(memcmp(a.data(), b.data(), some)));
    EXPECT_EQ(Sign(OwnStrcmp(a.c_str(), b.c_str())), Sign(strcmp(a.c_str(), b.c_str())));
    EXPECT_EQ(Sign(OwnStrncmp(a.c_str(), b.c_str(), some)),
              Sign(strncmp(a.c_str(), b.c_str(), some)));
  }
}

TEST_F(MemoryFunctions, SearchAsLibcDoes) {
  for (int round = 0; round < 5000; ++round) {
    const std::string text = Text();
    const std::string word = Text().substr(0, Number(3));
    for (const int letter : {int{'a'}, int{'b'}, int{'c'}, 0, 0x80, -128}) {
      EXPECT_EQ(OwnStrchr(text.c_str(), letter), strchr(text.c_str(), letter));
      EXPECT_EQ(OwnStrrchr(text.c_str(), letter), strrchr(text.c_str(), letter));
      EXPECT_EQ(OwnMemchr(text.data(), letter, text.size()),
                memchr(text.data(), letter, text.size()));
    }
    EXPECT_EQ(OwnStrstr(text.c_str(), word.c_str()), strstr(text.c_str(), word.c_str()));
    EXPECT_EQ(OwnStrspn(text.c_str(), word.c_str()), strspn(text.c_str(), word.c_str()));
    EXPECT_EQ(OwnStrcspn(text.c_str(), word.c_str()), strcspn(text.c_str(), word.c_str()));
    EXPECT_EQ(OwnStrlen(text.c_str()), text.size());
    const size_t some = Number(50);
    EXPECT_EQ(OwnStrnlen(text.c_str(), some), strnlen(text.c_str(), some));
  }
}

TEST_F(MemoryFunctions, MoveAsLibcDoes) {
  for (int round = 0; round < 5000; ++round) {
    std::string own(100, '.');
    for (char& letter : own) letter = static_cast<char>(Number(255));
    std::string libcs = own;
    const size_t from = Number(60);
    const size_t to = Number(60);
    const size_t size = Number(40);
    EXPECT_EQ(OwnMemmove(&own[to], &own[from], size), &own[to]);
    memmove(&libcs[to], &libcs[from], size);
    ASSERT_EQ(own, libcs) << from << " to " << to << ", " << size;
    const std::string text = Text();
    EXPECT_EQ(OwnMemcpy(&own[to], text.data(), text.size()), &own[to]);
    memcpy(&libcs[to], text.data(), text.size());
    ASSERT_EQ(own, libcs);
    EXPECT_EQ(OwnMemset(&own[from], static_cast<int>(size) - 300, size), &own[from]);
    memset(&libcs[from], static_cast<int>(size) - 300, size);
    ASSERT_EQ(own, libcs);
    EXPECT_EQ(OwnStrcpy(&own[to], text.c_str()), &own[to]);
    strcpy(&libcs[to], text.c_str());  // NOLINT: there is room
    ASSERT_EQ(own, libcs);
  }
}

}  // namespace
}  // namespace pqleash
