// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/sampler.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "reporter/caps/policy_change.h"
#include "reporter/observe/collect_caps.h"
#include "reporter/observe/pipeline.h"
#include "shim/support/clock.h"

namespace pqleash::reporter::top {
namespace {

// Those of `report` that hold for one of `services`.
std::vector<CapsPolicy> PoliciesOf(const CapsReport& report,
                                   const std::vector<std::string>& services) {
  if (services.empty()) return {};
  CapsReport kept = report;
  KeepPolicies("", services, &kept);
  return std::move(kept.policies);
}

}  // namespace

Sample TakeSample(const SamplerOptions& options, Symboliser* symboliser) {
  Collected collected = Collect(options.selection);
  const CollectedBoards boards = CollectBoards(options.selection.directory);
  Sample sample;
  sample.at_ns = Now();
  sample.caps = CollectCaps(boards.boards, collected.snapshots, boards.incomplete);
  if (options.scan) LookForLost({}, &collected, nullptr);

  std::map<std::string, std::vector<size_t>> services;
  std::vector<std::string> names;
  for (size_t i = 0; i < collected.snapshots.size(); ++i) {
    services[collected.snapshots[i].process.service].push_back(i);
  }
  for (const auto& [name, members] : services) {
    Collected of_service;
    for (const size_t i : members) {
      of_service.snapshots.push_back(collected.snapshots[i]);
      if (!collected.reachability.empty())
        of_service.reachability.push_back(collected.reachability[i]);
    }
    of_service.caps = PoliciesOf(sample.caps, {name});
    sample.services.push_back({name, ReportOn(Analyse(std::move(of_service), symboliser), {})});
    names.push_back(name);
  }
  collected.caps = PoliciesOf(sample.caps, names);
  sample.report = ReportOn(Analyse(std::move(collected), symboliser), {});
  return sample;
}

struct Sampler::Shared {
  explicit Shared(const SamplerOptions& given) : options(given) {}
  ~Shared() { close(wake_fd); }

  void Run();
  void Look(std::unique_lock<std::mutex>& lock);
  void Wake() const {
    const uint64_t one = 1;
    if (write(wake_fd, &one, sizeof one) < 0) {
      // It is readable already.
    }
  }

  const SamplerOptions options;
  int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  Symboliser symboliser;  // of the thread alone
  std::mutex mutex;       // what follows
  std::condition_variable changed;
  News news;
  std::optional<CapChange> wanted;
  bool stop = false;
  bool ended = false;
};

void Sampler::Shared::Look(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  std::shared_ptr<const Sample> sample;
  std::string problem;
  try {
    sample = std::make_shared<const Sample>(TakeSample(options, &symboliser));
  } catch (const std::exception& error) {
    problem = error.what();
  }
  lock.lock();
  news.problem = problem;
  if (sample != nullptr) {
    // Rates of a moment say nothing: a look out of turn leaves what they count from.
    const bool due = news.now != nullptr && sample->at_ns - news.now->at_ns >=
                                                static_cast<uint64_t>(options.interval.count()) / 2;
    if (due || news.before == nullptr) news.before = news.now;
    news.now = std::move(sample);
  }
  Wake();
}

void Sampler::Shared::Run() {
  std::unique_lock lock(mutex);
  while (!stop) {
    Look(lock);
    changed.wait_for(lock, options.interval, [&] { return stop || wanted.has_value(); });
    if (!wanted || stop) continue;
    const CapChange change = *std::exchange(wanted, std::nullopt);
    lock.unlock();
    Said said;
    try {
      said = SetLimit(options.selection.directory, change.cap.board, change.cap.name,
                      change.cap.service, change.limit);
    } catch (const std::exception& error) {
      said = Failed(error.what());
    }
    lock.lock();
    news.said = std::move(said);
    Wake();
  }
  ended = true;
  changed.notify_all();
}

Sampler::Sampler(const SamplerOptions& options) : shared_(std::make_shared<Shared>(options)) {
  if (shared_->wake_fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  // Signals are the main thread's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([shared = shared_] { shared->Run(); }).detach();
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Sampler::~Sampler() { Stop(std::chrono::milliseconds(0)); }

int Sampler::wake_fd() const { return shared_->wake_fd; }

News Sampler::Take() {
  uint64_t count = 0;
  if (read(shared_->wake_fd, &count, sizeof count) < 0) {
    // Nothing is new.
  }
  const std::lock_guard lock(shared_->mutex);
  News news = shared_->news;
  shared_->news.said.reset();
  return news;
}

void Sampler::Change(CapChange change) {
  const std::lock_guard lock(shared_->mutex);
  shared_->wanted = std::move(change);
  shared_->changed.notify_all();
}

bool Sampler::Stop(std::chrono::milliseconds patience) {
  std::unique_lock lock(shared_->mutex);
  shared_->stop = true;
  shared_->changed.notify_all();
  return shared_->changed.wait_for(lock, patience, [&] { return shared_->ended; });
}

}  // namespace pqleash::reporter::top
