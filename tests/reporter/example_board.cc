// SPDX-License-Identifier: Apache-2.0

#include "tests/reporter/example_board.h"

#include <algorithm>
#include <stdexcept>

#include "shim/support/text.h"

namespace pqleash::reporter {
namespace {

constexpr caps::BoardCapacity kCapacity = {4, 16, 64};

uint64_t Before(double age_s) {
  return kBoardNow - static_cast<uint64_t>(age_s * static_cast<double>(kBoardSecond));
}

}  // namespace

caps::Policy WaitingCap(const std::string& name, caps::Scope scope, uint32_t limit) {
  caps::Policy policy = {};
  CopyText(name.c_str(), policy.name);
  policy.kind = caps::kCap;
  policy.scope = scope;
  policy.rule.limit = limit;
  policy.rule.on_limit = caps::kWait;
  policy.rule.wait_timeout_ms = 5'000;
  return policy;
}

MemoryBoard::MemoryBoard()
    : size_(caps::Board::Size(kCapacity)),
      memory_(static_cast<char*>(std::aligned_alloc(4'096, size_))) {
  std::fill_n(memory_.get(), size_, '\0');
  // Not shared: a shared one looks whether its processes live.
  if (!board_.Create(memory_.get(), kCapacity, false, {4'026'531'836, 0, 0}, nullptr)) {
    throw std::runtime_error("cannot make a board");
  }
}

uint32_t MemoryBoard::AddPolicy(const caps::Policy& policy, const std::string& service,
                                caps::Origin origin) {
  bool differs = false;
  return board_.Install(policy, service.c_str(), origin, 0, 1, kBoardNow, &differs);
}

uint32_t MemoryBoard::Join(int32_t pid, const std::string& service) {
  return board_.Join({pid, 5'000, 0x7ffc0000, service.c_str(), ""}, kBoardNow);
}

caps::Outcome MemoryBoard::Connect(uint32_t member, uint64_t policies, double age_s,
                                   const std::string& label) {
  caps::Request request = {};
  request.member = member;
  request.policies = policies;
  const uint64_t call_site = 0x2d6444630f0492ca + label.size();
  request.label = board_.AddLabel(call_site, label.c_str(), Before(age_s));
  request.now = Before(age_s);
  request.may_wait = true;
  request.parked = true;
  return board_.Enter(request);
}

void FillExample(MemoryBoard* board) {
  caps::Policy billing = WaitingCap("billing", caps::kScopeService, 50);
  billing.rule.on_limit = caps::kWarn;
  CopyText("billing*", billing.dbname);
  const uint32_t cap = board->AddPolicy(billing, "shop");
  caps::Policy storm = {};
  CopyText("storm", storm.name);
  storm.kind = caps::kPace;
  storm.scope = caps::kScopeService;
  storm.rule.on_limit = caps::kWait;
  storm.rule.wait_timeout_ms = 10'000;
  storm.rule.interval_ns = kBoardSecond / 50;
  storm.rule.burst = 10;
  storm.rule.on_server_full = caps::kFullBackoff;
  const uint32_t pace = board->AddPolicy(storm, "shop");
  board->AddPolicy(WaitingCap("each", caps::kScopeProcess, 8), "shop");
  caps::Policy emergency = WaitingCap("emergency", caps::kScopeUser, 100);
  emergency.rule.on_limit = caps::kReject;
  board->AddPolicy(emergency, "", caps::kFromOperator);
  caps::Rule rule = billing.rule;
  rule.limit = 3;
  rule.on_limit = caps::kWait;
  board->board().Override(cap, rule, 4'242, kBoardNow);

  const uint32_t first = board->Join(4'711, "shop");
  const uint32_t second = board->Join(4'712, "shop");
  const uint64_t both = uint64_t{1} << cap | uint64_t{1} << pace;
  board->Connect(first, both, 120);
  board->Connect(first, both, 60);
  board->Connect(second, both, 45, "main (tool.cc:7)");
  board->Connect(second, uint64_t{1} << cap, 4.5);
  board->Connect(first, uint64_t{1} << cap, 2.5, "");
  const caps::Outcome tries = board->Connect(second, uint64_t{1} << pace, 1.2);
  board->board().Settle(tries.entry, true, Before(1));
}

void FillProcessExample(MemoryBoard* board) {
  const uint32_t cap = board->AddPolicy(WaitingCap("each", caps::kScopeProcess, 1), "shop");
  const uint32_t member = board->Join(4'711, "shop");
  board->Connect(member, uint64_t{1} << cap, 33);
  board->Connect(member, uint64_t{1} << cap, 2);
}

}  // namespace pqleash::reporter
