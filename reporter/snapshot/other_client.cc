// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/other_client.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <optional>
#include <system_error>
#include <vector>

#include "reporter/snapshot/executable.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

constexpr uint16_t kPorts[] = {5432, 6432};  // PostgreSQL, PgBouncer
constexpr size_t kMaxSockets = 16 << 20;     // bytes of a table of sockets
constexpr size_t kMaxDescriptors = 1 << 16;

struct Runtime {
  std::string_view file;  // in the path of a mapped file
  const char* language;
  const char* drivers;
  bool is_driver;
};
constexpr Runtime kRuntimes[] = {
    {"/asyncpg/protocol/", "Python", "asyncpg", true},
    {"/libjvm.so", "Java", "JDBC", false},
    {"/libcoreclr.so", ".NET", "Npgsql", false},
    {"/beam.smp", "Erlang or Elixir", "epgsql or Postgrex", false},
    {"/node", "Node.js", "node-postgres", false},
    {"/nodejs", "Node.js", "node-postgres", false},
};

template <typename Number>
std::optional<Number> ToNumber(std::string_view text, int base) {
  Number number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, number, base);
  if (problem != std::errc() || rest != end) return std::nullopt;
  return number;
}

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  while (!line.empty()) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const size_t size = std::min(line.find(' '), line.size());
    if (size != 0) fields.push_back(line.substr(0, size));
    line.remove_prefix(size);
  }
  return fields;
}

// One after the other, without its end.
template <typename Visit>
void ForEachPiece(std::string_view text, char end, const Visit& visit) {
  while (!text.empty()) {
    const size_t size = std::min(text.find(end), text.size());
    visit(text.substr(0, size));
    text.remove_prefix(std::min(size + 1, text.size()));
  }
}

// Those of PostgreSQL, and the one that the process itself was told.
std::set<uint16_t> Ports(std::string_view environ) {
  std::set<uint16_t> ports(std::begin(kPorts), std::end(kPorts));
  constexpr std::string_view kName = "PGPORT=";
  ForEachPiece(environ, '\0', [&](std::string_view entry) {
    if (!entry.starts_with(kName)) return;
    if (const auto port = ToNumber<uint16_t>(entry.substr(kName.size()), 10)) ports.insert(*port);
  });
  return ports;
}

bool Matches(std::string_view path, const Runtime& runtime) {
  return runtime.file.ends_with('/') ? path.find(runtime.file) != std::string_view::npos
                                     : path.ends_with(runtime.file);
}

void LookForRuntime(std::string_view maps, OtherClient* client) {
  ForEachPiece(maps, '\n', [&](std::string_view line) {
    const size_t slash = line.find('/');
    if (slash == std::string_view::npos || client->has_driver) return;
    for (const Runtime& runtime : kRuntimes) {
      if (!Matches(line.substr(slash), runtime)) continue;
      client->language = runtime.language;
      client->drivers = runtime.drivers;
      client->has_driver = runtime.is_driver;
      return;
    }
  });
}

// How many of these sockets the process holds.
uint64_t CountHeld(const std::string& process, const std::set<uint64_t>& inodes) {
  constexpr std::string_view kSocket = "socket:[";
  uint64_t count = 0;
  size_t looked_at = 0;
  std::error_code error;
  std::filesystem::directory_iterator entry(process + "/fd", error);
  for (; !error && entry != std::filesystem::directory_iterator() && ++looked_at <= kMaxDescriptors;
       entry.increment(error)) {
    const std::string target = ReadLink(entry->path().string()).value_or("");
    if (!target.starts_with(kSocket) || !target.ends_with(']')) continue;
    const std::string_view number(target.data() + kSocket.size(),
                                  target.size() - kSocket.size() - 1);
    const auto inode = ToNumber<uint64_t>(number, 10);
    count += inode && inodes.contains(*inode);
  }
  return count;
}

}  // namespace

std::set<uint64_t> SocketsTo(std::string_view tcp, const std::set<uint16_t>& ports,
                             uint16_t* port) {
  constexpr size_t kRemote = 2;
  constexpr size_t kState = 3;
  constexpr size_t kInode = 9;
  std::set<uint64_t> inodes;
  ForEachPiece(tcp, '\n', [&](std::string_view line) {
    const std::vector<std::string_view> fields = Fields(line);
    if (fields.size() <= kInode || fields[kState] != "01") return;
    const size_t colon = fields[kRemote].rfind(':');
    if (colon == std::string_view::npos) return;
    const auto remote = ToNumber<uint16_t>(fields[kRemote].substr(colon + 1), 16);
    const auto inode = ToNumber<uint64_t>(fields[kInode], 10);
    if (!remote || !inode || !ports.contains(*remote)) return;
    *port = *remote;
    inodes.insert(*inode);
  });
  return inodes;
}

OtherClient LookForOtherClient(const std::string& process, std::string_view maps,
                               std::string_view environ) {
  OtherClient client;
  LookForRuntime(maps, &client);
  if (client.language.empty()) {
    const auto executable = ReadExecutable(process + "/exe");
    if (executable && executable->of_go) {
      client.language = "Go";
      client.drivers = "pgx or lib/pq";
    }
  }
  const std::set<uint16_t> ports = Ports(environ);
  for (const char* table : {"/net/tcp", "/net/tcp6"}) {
    const std::string sockets = ReadProcFile(process + table, kMaxSockets).value_or("");
    uint16_t port = 0;
    const uint64_t held = CountHeld(process, SocketsTo(sockets, ports, &port));
    client.connections += held;
    if (held != 0) client.port = port;
  }
  return client;
}

}  // namespace pqleash::reporter
