// SPDX-License-Identifier: Apache-2.0

#include "reporter/server/join.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace pqleash::reporter {
namespace {

bool HasSession(const Connection& connection) {
  return connection.state == ConnectionState::kEstablished ||
         connection.state == ConnectionState::kInherited;
}

// `then` on one clock, where `anchor_from` on it was `anchor_to` on the other; no less than 0.
uint64_t Convert(uint64_t then, uint64_t anchor_from, uint64_t anchor_to) {
  if (then >= anchor_from) {
    const uint64_t ahead = then - anchor_from;
    return anchor_to > UINT64_MAX - ahead ? UINT64_MAX : anchor_to + ahead;
  }
  const uint64_t back = anchor_from - then;
  return anchor_to > back ? anchor_to - back : 0;
}

// Whether a moment of the server falls into the time of the connect, by the two clocks of this host
// as they stood at `monotonic` and `realtime`.
bool StartedThen(const ServerView& view, uint64_t start_ns, const Connection& connection,
                 uint64_t monotonic_ns, uint64_t realtime_ns) {
  const uint64_t slack =
      (view.address.local ? kLocalSlack : kRemoteSlack) + view.clock.uncertainty_ns;
  const uint64_t start =
      Convert(start_ns, view.clock.server_realtime_ns, view.clock.local_realtime_ns);
  const uint64_t opened = Convert(connection.opened_ns, monotonic_ns, realtime_ns);
  const uint64_t established =
      Convert(std::max(connection.opened_ns, connection.established_ns), monotonic_ns, realtime_ns);
  const bool too_early = opened > slack && start < opened - slack;
  const bool too_late = start > slack && start - slack > established;
  return !too_early && !too_late;
}

bool PortIs(const std::string& port, uint32_t number) {
  return number != 0 && port == std::to_string(number);
}

// A connection before another of the same backend: that of who opened it, then the newer.
bool Before(const std::vector<Snapshot>& snapshots, const LedgerPlace& a, const LedgerPlace& b) {
  const auto rank = [&](const LedgerPlace& place) {
    const Snapshot& snapshot = snapshots[place.snapshot];
    const Connection& connection = snapshot.connections[place.connection];
    return std::tuple(MayLive(snapshot.process.life),
                      connection.state != ConnectionState::kInherited, connection.opened_ns);
  };
  return rank(a) > rank(b);
}

class Joiner {
 public:
  Joiner(const ServerView& view, const std::vector<Snapshot>& snapshots)
      : view_(view), snapshots_(snapshots) {}

  Joined Join() {
    for (const Backend& backend : view_.backends) listed_.emplace(backend.pid, &backend);
    IndexConnections();
    std::vector<JoinedBackend> joined;
    for (const Backend& backend : view_.backends) joined.push_back(MatchOf(backend));
    FindUnlisted();
    // What a pooler holds for us cannot be told from what it holds for others.
    for (size_t i = 0; i < joined.size(); ++i) {
      const Backend& backend = view_.backends[i];
      if (joined[i].ownership == Ownership::kOthers &&
          served_elsewhere_.contains({backend.dbname, backend.user})) {
        joined[i].ownership = Ownership::kUnknown;
      }
    }
    return {std::move(joined), std::move(unlisted_)};
  }

 private:
  void IndexConnections() {
    for (size_t i = 0; i < snapshots_.size(); ++i) {
      for (size_t j = 0; j < snapshots_[i].connections.size(); ++j) {
        const Connection& connection = snapshots_[i].connections[j];
        if (HasSession(connection) && connection.backend_pid > 0)
          by_pid_[connection.backend_pid].push_back({i, j});
      }
    }
  }

  JoinedBackend MatchOf(const Backend& backend) const {
    if (backend.pid == view_.settings.own_backend) return {Ownership::kOwn, std::nullopt};
    if (!backend.takes_slot) return {Ownership::kServer, std::nullopt};
    JoinedBackend result;
    const auto named = by_pid_.find(backend.pid);
    if (named == by_pid_.end()) return result;
    for (const LedgerPlace& place : named->second) {
      const Snapshot& snapshot = snapshots_[place.snapshot];
      const Fit fit = FitOf(view_, backend, snapshot, snapshot.connections[place.connection]);
      if (fit == Fit::kMaybe && result.ownership == Ownership::kOthers) {
        result.ownership = Ownership::kUnknown;
      }
      if (fit != Fit::kYes) continue;
      result.ownership = Ownership::kOurs;
      if (!result.place || Before(snapshots_, place, *result.place)) result.place = place;
    }
    return result;
  }

  bool IsListed(const Snapshot& snapshot, const Connection& connection) const {
    const auto backend = listed_.find(connection.backend_pid);
    return backend != listed_.end() &&
           FitOf(view_, *backend->second, snapshot, connection) != Fit::kNo;
  }

  bool IsSameAddress(const std::string& host, uint32_t port) const {
    return host == view_.address.host && PortIs(view_.address.port, port);
  }

  void FindUnlisted() {
    std::map<std::pair<std::string, uint32_t>, uint64_t> counts;
    for (const Snapshot& snapshot : snapshots_) {
      if (!MayLive(snapshot.process.life)) continue;
      for (const Connection& connection : snapshot.connections) {
        const bool made_since = connection.established_ns > view_.clock.local_monotonic_ns;
        if (connection.state != ConnectionState::kEstablished || made_since ||
            IsListed(snapshot, connection)) {
          continue;
        }
        const Target& target = snapshot.targets[connection.target];
        ++counts[{target.host, target.port}];
        // At this very address no pooler is in between: the session is over.
        if (view_.settings.through_pooler || !IsSameAddress(target.host, target.port)) {
          served_elsewhere_.insert({target.dbname, target.user});
        }
      }
    }
    for (const auto& [place, count] : counts) {
      const auto& [host, port] = place;
      unlisted_.push_back({host, port, count, IsSameAddress(host, port)});
    }
    std::stable_sort(unlisted_.begin(), unlisted_.end(), [](const Unlisted& a, const Unlisted& b) {
      return a.connections > b.connections;
    });
  }

  const ServerView& view_;
  const std::vector<Snapshot>& snapshots_;
  std::map<int32_t, std::vector<LedgerPlace>> by_pid_;
  std::map<int32_t, const Backend*> listed_;
  std::vector<Unlisted> unlisted_;
  std::set<std::pair<std::string, std::string>> served_elsewhere_;  // database, user
};

}  // namespace

Fit FitOf(const ServerView& view, const Backend& backend, const Snapshot& snapshot,
          const Connection& connection) {
  const Target& target = snapshot.targets[connection.target];
  if (backend.pid == 0 || backend.pid != connection.backend_pid ||
      backend.dbname != target.dbname || backend.user != target.user) {
    return Fit::kNo;
  }
  if (backend.start_ns == 0) {
    return PortIs(view.address.port, target.port) ? Fit::kYes : Fit::kMaybe;
  }
  // A clock that was set, or a host that slept, since the process began or since the connect: one
  // of the two conversions is right all the same.
  const Process& process = snapshot.process;
  const bool fits = StartedThen(view, backend.start_ns, connection, process.created_monotonic_ns,
                                process.created_realtime_ns) ||
                    StartedThen(view, backend.start_ns, connection, view.clock.local_monotonic_ns,
                                view.clock.local_realtime_ns);
  return fits ? Fit::kYes : Fit::kNo;
}

Joined Join(const ServerView& view, const std::vector<Snapshot>& snapshots) {
  return Joiner(view, snapshots).Join();
}

}  // namespace pqleash::reporter
