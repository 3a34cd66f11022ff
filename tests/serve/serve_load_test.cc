// SPDX-License-Identifier: Apache-2.0
//
// A thousand processes with a hundred connections each.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <vector>

#include "tests/serve/served.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

constexpr int kProcesses = 1'000;
constexpr int kConnections = 100;

reporter::LedgerBuilder ServiceOf(pid_t pid, int number) {
  reporter::LedgerBuilder builder = LedgerOf(pid, "service-" + std::to_string(number % 50));
  uint32_t modules[40];
  for (int i = 0; i < 40; ++i) {
    modules[i] =
        builder.AddModule("/usr/lib/x86_64-linux-gnu/libservice" + std::to_string(i) + ".so",
                          std::string(20, static_cast<char>(i)));
  }
  uint32_t targets[2];
  for (uint32_t& target : targets) {
    target = builder.AddTarget("db-1.example", 5432, "app",
                               "shop" + std::to_string(&target - targets), "app");
  }
  uint32_t sites[5];
  for (int i = 0; i < 5; ++i) {
    std::vector<uint64_t> frames;
    for (uint32_t frame = 0; frame < 20; ++frame) {
      frames.push_back(reporter::ModuleFrame(modules[frame], 0x1000 + frame));
    }
    sites[i] = builder.AddCallSite(
        static_cast<uint64_t>(number % 50) * 5 + static_cast<uint64_t>(i) + 1, frames);
  }
  for (int i = 0; i < kConnections; ++i) {
    builder.AddConnection(sites[i % 5], targets[i % 2], 1 + i * 0.01, 100, 10);
  }
  for (int i = 0; i < 30; ++i) builder.AddPeriod(10.0 * i).opened = 1;
  return builder;
}

size_t KiBOf(const std::string& status, const std::string& field) {
  return std::stoul(status.substr(status.find(field) + field.size()));
}

TEST(ServeLoadTest, AThousandLedgers) {
  Served served({"--interval", "2s"});
  std::vector<std::unique_ptr<Sleeper>> processes;
  for (int i = 0; i < kProcesses; ++i) {
    processes.push_back(std::make_unique<Sleeper>());
    Write(ServiceOf(processes.back()->pid(), i), served.ledgers());
  }
  ASSERT_TRUE(served.Start());
  ASSERT_TRUE(WaitUntil([&] { return served.Metrics()["pqleash_readings_total"] >= 4; },
                        std::chrono::seconds(120)));
  const Samples samples = served.Metrics();
  double connections = 0;
  for (const auto& [name, value] : samples) {
    if (name.starts_with("db_client_connection_count{")) connections += value;
  }
  EXPECT_EQ(connections, kProcesses * kConnections);
  std::string text;
  double seconds = 1e9;  // of the fastest: what it takes on a processor of its own
  for (int i = 0; i < 9; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    text = served.Get("/metrics").body;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    seconds = std::min(seconds, took.count());
  }
  std::ifstream file("/proc/" + std::to_string(served.pid()) + "/status");
  const std::string status(std::istreambuf_iterator<char>(file), {});
  const size_t peak = KiBOf(status, "VmHWM:");
  std::cout << samples.size() << " series, " << text.size() << " bytes\n"
            << "scrape: " << seconds * 1'000 << " ms\n"
            << "reading: " << samples.at("pqleash_reading_duration_seconds") * 1'000 << " ms\n"
            << "memory: " << KiBOf(status, "VmRSS:") << " KiB, at most " << peak << " KiB\n";
  const auto asked = std::chrono::steady_clock::now();
  const httplib::Response report = served.Get("/api/report");
  std::cout << "report: " << report.body.size() << " bytes in "
            << std::chrono::duration<double>(std::chrono::steady_clock::now() - asked).count()
            << " s\n";
  EXPECT_EQ(report.status, 200);
  std::ifstream after("/proc/" + std::to_string(served.pid()) + "/status");
  std::cout << "memory with it: at most "
            << KiBOf({std::istreambuf_iterator<char>(after), {}}, "VmHWM:") << " KiB\n";
  // It is answered with what a reading has left, and is none.
  EXPECT_LT(seconds, 0.5 * samples.at("pqleash_reading_duration_seconds"));
  EXPECT_LT(peak, 100u << 10) << "KiB";
  EXPECT_LT(samples.size(), 10'000u);
}

}  // namespace
}  // namespace pqleash::testing
