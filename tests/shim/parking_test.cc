// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/parking.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/wait_until.h"

namespace pqleash::caps {
namespace {

using testing::WaitUntil;

// Answers as it is told to.
class FakeClerk final : public Clerk {
 public:
  Parked Look(uint32_t slot, uint64_t, uint64_t* look_again) override {
    std::unique_lock lock(mutex_);
    ++looks_[slot];
    if (blocked_ == slot) {
      in_look_ = true;
      changed_.notify_all();
      changed_.wait(lock, [&] { return blocked_ != slot; });
      in_look_ = false;
    }
    if (look_again_ns_ != 0 && look_again_ns_ < *look_again) *look_again = look_again_ns_;
    return answers_[slot];
  }
  uint32_t Changes() override {
    const std::lock_guard lock(mutex_);
    return changes_;
  }
  void Sleep(uint32_t seen, uint64_t until, WaitClock&) override {
    std::unique_lock lock(mutex_);
    last_until_ = until;
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return changes_ != seen; });
  }
  void Nudge() override {
    const std::lock_guard lock(mutex_);
    ++changes_;
    changed_.notify_all();
  }

  void Say(uint32_t slot, Parked answer) {
    {
      const std::lock_guard lock(mutex_);
      answers_[slot] = answer;
    }
    Nudge();
  }
  void LookAgainAt(uint64_t when) {
    const std::lock_guard lock(mutex_);
    look_again_ns_ = when;
  }
  uint64_t last_until() {
    const std::lock_guard lock(mutex_);
    return last_until_;
  }
  int looks(uint32_t slot) {
    const std::lock_guard lock(mutex_);
    return looks_[slot];
  }
  // The next look at `slot` stays in there until Unblock.
  void Block(uint32_t slot) {
    const std::lock_guard lock(mutex_);
    blocked_ = slot;
  }
  bool in_look() {
    const std::lock_guard lock(mutex_);
    return in_look_;
  }
  void Unblock() {
    const std::lock_guard lock(mutex_);
    blocked_ = UINT32_MAX;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint32_t, Parked> answers_;
  std::map<uint32_t, int> looks_;
  uint32_t changes_ = 0;
  uint32_t blocked_ = UINT32_MAX;
  bool in_look_ = false;
  uint64_t look_again_ns_ = 0;
  uint64_t last_until_ = 0;
};

bool Ready(int fd, short events) {
  pollfd wanted = {fd, events, 0};
  return poll(&wanted, 1, 0) == 1 && (wanted.revents & events) != 0;
}

std::set<std::string> Descriptors() {
  std::set<std::string> names;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory)) names.insert(entry->d_name);
  closedir(directory);
  return names;
}

int ThreadsNamed(const std::string& name) {
  int count = 0;
  DIR* directory = opendir("/proc/self/task");
  while (const dirent* entry = readdir(directory)) {
    std::ifstream file(std::string("/proc/self/task/") + entry->d_name + "/comm");
    std::string comm;
    if (std::getline(file, comm) && comm == name) ++count;
  }
  closedir(directory);
  return count;
}

constexpr uint32_t kCapacity = 64;

// What the thread touches. Stays: the last that the thread does is to let the lock go, and that it
// is gone afterwards is seen in /proc, which no sanitizer takes for an order of things.
struct World {
  FakeClerk clerk;
  std::vector<ParkingPlace> places = std::vector<ParkingPlace>(kCapacity);
  std::vector<uint32_t> list = std::vector<uint32_t>(kCapacity);
  Parking parking = {};
};
World& NewWorld() {
  static auto& all = *new std::vector<World*>;
  all.push_back(new World);
  return *all.back();
}

class ParkingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    parking_.Use(places_.data(), list_.data(), kCapacity);
    parking_.UseClerk(&clerk_);
  }
  void TearDown() override {
    for (uint32_t slot = 0; slot < kCapacity; ++slot) parking_.Unpark(slot);
    EXPECT_TRUE(WaitUntil([&] { return !parking_.served() && ThreadsNamed("pqleash") == 0; }));
    EXPECT_EQ(Descriptors(), before_);
  }

  const std::set<std::string> before_ = Descriptors();
  World& world_ = NewWorld();
  FakeClerk& clerk_ = world_.clerk;
  std::vector<ParkingPlace>& places_ = world_.places;
  std::vector<uint32_t>& list_ = world_.list;
  Parking& parking_ = world_.parking;
};

TEST_F(ParkingTest, ParkFdIsASocketThatIsWritableAtOnce) {
  ASSERT_TRUE(parking_.Park(3));
  const int fd = parking_.Socket(3);
  EXPECT_TRUE(Ready(fd, POLLOUT));
  EXPECT_FALSE(Ready(fd, POLLIN));
  EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  int type = 0;
  socklen_t size = sizeof(type);
  EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
  EXPECT_EQ(type, SOCK_STREAM);
}

TEST_F(ParkingTest, BecomesReadableWhenItMayGoOrIsRefused) {
  ASSERT_TRUE(parking_.Park(1));
  ASSERT_TRUE(parking_.Park(2));
  ASSERT_TRUE(parking_.Park(5));
  clerk_.Say(1, Parked::kGranted);
  clerk_.Say(5, Parked::kRefused);
  EXPECT_TRUE(WaitUntil([&] { return Ready(parking_.Socket(1), POLLIN); }));
  EXPECT_TRUE(WaitUntil([&] { return Ready(parking_.Socket(5), POLLIN); }));
  EXPECT_FALSE(Ready(parking_.Socket(2), POLLIN));
  EXPECT_EQ(parking_.Look(1, 0), Parked::kGranted);
  EXPECT_EQ(parking_.Look(2, 0), Parked::kWaiting);
}

// Nobody is called twice: the clerk is not asked for it any more.
TEST_F(ParkingTest, CallsOnce) {
  ASSERT_TRUE(parking_.Park(1));
  clerk_.Say(1, Parked::kGranted);
  ASSERT_TRUE(WaitUntil([&] { return Ready(parking_.Socket(1), POLLIN); }));
  const int looks = clerk_.looks(1);
  ASSERT_TRUE(parking_.Park(2));
  ASSERT_TRUE(WaitUntil([&] { return clerk_.looks(2) > 0; }));
  EXPECT_EQ(clerk_.looks(1), looks);
  char bytes[8];
  EXPECT_EQ(read(parking_.Socket(1), bytes, sizeof(bytes)), 1);
}

TEST_F(ParkingTest, ManyAtOnce) {
  std::vector<std::thread> threads;
  for (uint32_t part = 0; part < 4; ++part) {
    threads.emplace_back([&, part] {
      for (uint32_t turn = 0; turn < 50; ++turn) {
        for (uint32_t slot = part; slot < kCapacity; slot += 4) EXPECT_TRUE(parking_.Park(slot));
        for (uint32_t slot = part; slot < kCapacity; slot += 8) parking_.Unpark(slot);
        for (uint32_t slot = part; slot < kCapacity; slot += 4) parking_.Unpark(slot);
      }
      for (uint32_t slot = part; slot < kCapacity; slot += 4) EXPECT_TRUE(parking_.Park(slot));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(parking_.parked(), kCapacity);
  EXPECT_EQ(ThreadsNamed("pqleash"), 1);
  for (uint32_t slot = 0; slot < kCapacity; slot += 2) clerk_.Say(slot, Parked::kGranted);
  for (uint32_t slot = 0; slot < kCapacity; slot += 2) {
    EXPECT_TRUE(WaitUntil([&] { return Ready(parking_.Socket(slot), POLLIN); })) << slot;
    EXPECT_FALSE(Ready(parking_.Socket(slot + 1), POLLIN)) << slot;
  }
}

TEST_F(ParkingTest, ThreadIsThereWhileAConnectIsParked) {
  EXPECT_EQ(ThreadsNamed("pqleash"), 0);
  for (int turn = 0; turn < 3; ++turn) {
    ASSERT_TRUE(parking_.Park(1));
    EXPECT_TRUE(WaitUntil([&] { return ThreadsNamed("pqleash") == 1; }));
    parking_.Unpark(1);
    EXPECT_TRUE(WaitUntil([&] { return ThreadsNamed("pqleash") == 0; }));
    EXPECT_FALSE(parking_.served());
  }
}

TEST_F(ParkingTest, SleepsUntilTheClerkWantsToBeAsked) {
  clerk_.LookAgainAt(4711);
  ASSERT_TRUE(parking_.Park(1));
  EXPECT_TRUE(WaitUntil([&] { return clerk_.last_until() == 4711; }));
}

// And the place used again at once: the answer of the look under way is nobody's.
TEST_F(ParkingTest, UnparkDuringTheLook) {
  clerk_.Block(7);
  clerk_.Say(7, Parked::kGranted);
  ASSERT_TRUE(parking_.Park(7));
  ASSERT_TRUE(WaitUntil([&] { return clerk_.in_look(); }));
  parking_.Unpark(7);
  EXPECT_EQ(Descriptors(), before_);
  ASSERT_TRUE(parking_.Park(7));
  const int fd = parking_.Socket(7);
  ASSERT_TRUE(parking_.Park(8));
  clerk_.Unblock();
  EXPECT_TRUE(WaitUntil([&] { return Ready(fd, POLLIN); }));
  char bytes[8];
  EXPECT_EQ(read(fd, bytes, sizeof(bytes)), 1);
}

TEST_F(ParkingTest, ParkingTwiceAndBeyondTheCapacityIsRefused) {
  ASSERT_TRUE(parking_.Park(kCapacity - 1));
  EXPECT_FALSE(parking_.Park(kCapacity - 1));
  EXPECT_FALSE(parking_.Park(kCapacity));
  EXPECT_EQ(parking_.parked(), 1u);
  parking_.Unpark(kCapacity);
  parking_.Unpark(0);
  EXPECT_EQ(parking_.parked(), 1u);
}

TEST_F(ParkingTest, WithoutAClerkNothingIsParked) {
  parking_.UseClerk(nullptr);
  EXPECT_FALSE(parking_.Park(1));
  EXPECT_EQ(Descriptors(), before_);
}

TEST_F(ParkingTest, WithoutDescriptorsNothingIsLeftBehind) {
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none = {dup(0) + 0u + 1, limit.rlim_max};
  close(static_cast<int>(none.rlim_cur) - 1);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);  // room for one
  errno = 4711;
  EXPECT_FALSE(parking_.Park(1));
  EXPECT_EQ(errno, 4711);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(parking_.parked(), 0u);
  EXPECT_FALSE(parking_.served());
  EXPECT_EQ(Descriptors(), before_);
}

TEST_F(ParkingTest, HandlersOfTheHostDoNotRunOnTheThread) {
  static pthread_t ran_on;
  struct sigaction action = {};
  struct sigaction before;
  action.sa_handler = [](int) { ran_on = pthread_self(); };
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  ASSERT_TRUE(parking_.Park(1));
  ASSERT_TRUE(WaitUntil([&] { return ThreadsNamed("pqleash") == 1; }));
  ran_on = pthread_t();
  kill(getpid(), SIGUSR1);
  ASSERT_TRUE(WaitUntil([] { return ran_on != pthread_t(); }));
  EXPECT_EQ(ran_on, pthread_self());
  sigaction(SIGUSR1, &before, nullptr);
}

// The child has the descriptors, and neither the thread nor a parked connect of its own.
TEST_F(ParkingTest, ForkWhileParked) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer does not let a child of many threads make threads";
#endif
  ASSERT_TRUE(parking_.Park(1));
  const pid_t child = fork();
  if (child == 0) {
    std::vector<ParkingPlace> places(4);
    std::vector<uint32_t> list(4);
    FakeClerk clerk;
    Parking own = {};
    own.Use(places.data(), list.data(), 4);
    own.UseClerk(&clerk);
    if (!own.Park(2)) _exit(1);
    clerk.Say(2, Parked::kGranted);
    if (!WaitUntil([&] { return Ready(own.Socket(2), POLLIN); })) _exit(2);
    own.Unpark(2);
    if (!WaitUntil([&] { return !own.served(); })) _exit(3);
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  clerk_.Say(1, Parked::kGranted);
  EXPECT_TRUE(WaitUntil([&] { return Ready(parking_.Socket(1), POLLIN); }));
}

// A host that closes what it did not open, and opens something under the same number.
TEST_F(ParkingTest, StrangersUnderOurNumbersAreLeftAlone) {
  clerk_.Block(1);
  ASSERT_TRUE(parking_.Park(1));
  ASSERT_TRUE(WaitUntil([&] { return clerk_.in_look(); }));
  const int park = places_[1].park.fd;
  const int other = places_[1].other.fd;
  int strangers[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, strangers), 0);
  ASSERT_EQ(dup2(strangers[0], other), other);
  ASSERT_EQ(dup2(strangers[0], park), park);
  clerk_.Say(1, Parked::kGranted);
  clerk_.Unblock();
  // Looked at after the byte would have been written.
  ASSERT_TRUE(parking_.Park(2));
  ASSERT_TRUE(WaitUntil([&] { return clerk_.looks(2) > 0; }));
  EXPECT_FALSE(Ready(strangers[1], POLLIN));
  parking_.Unpark(1);
  EXPECT_NE(fcntl(park, F_GETFD), -1);
  EXPECT_NE(fcntl(other, F_GETFD), -1);
  for (const int fd : {park, other, strangers[0], strangers[1]}) close(fd);
}

}  // namespace
}  // namespace pqleash::caps
