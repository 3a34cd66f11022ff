// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/open_connections.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kPiece = size_t{1} << 20;
constexpr size_t kMaxText = 1'024;
constexpr uint64_t kAlignment = 16;  // of what allocators give
constexpr uint32_t kMaxHosts = 1'000;
constexpr uint32_t kMaxStatus = 32;  // ConnStatusType of libpq 18 ends with 14

std::optional<uint32_t> Number(const RemoteMemory& memory, uint64_t address) {
  uint32_t value = 0;
  if (memory.Read(address, &value, sizeof value) != sizeof value) return std::nullopt;
  return value;
}

// Of a pointer at `address`; no value: there is none, or it is no text.
std::optional<std::string> TextAt(const RemoteMemory& memory, uint64_t address) {
  const auto pointer = memory.Word(address);
  if (!pointer || *pointer == 0) return std::nullopt;
  auto text = memory.Text(*pointer, kMaxText);
  const bool printable = text && std::all_of(text->begin(), text->end(), [](char c) {
                           return static_cast<unsigned char>(c) >= ' ' && c != 0x7f;
                         });
  return printable ? text : std::nullopt;
}

template <size_t size>
void Copy(const std::string& text, char (&to)[size]) {
  std::memset(to, 0, size);
  std::memcpy(to, text.data(), std::min(text.size(), size - 1));
}

// A connect that has begun, and has neither failed nor ended.
bool IsUnderWay(uint32_t status) { return status > CONNECTION_BAD && status < kMaxStatus; }

bool AreKnown(const attach::Fields& fields) {
  return std::max({fields.status, fields.socket, fields.backend_pid, fields.transaction,
                   fields.dbname, fields.user}) < kPiece;
}

// False: the array of hosts, which every connection has, is not there.
bool ReadHost(const RemoteMemory& memory, const attach::Fields& fields, uint64_t handle,
              attach::Adopted* adopted) {
  if (std::max({fields.hosts, fields.which_host, fields.host_size, fields.host, fields.port}) >=
      kPiece)
    return true;  // of a libpq whose offsets could not be measured
  const auto hosts = memory.Word(handle + fields.hosts);
  const auto which = Number(memory, handle + fields.which_host);
  if (!hosts || *hosts == 0 || !which || *which >= kMaxHosts) return false;
  const uint64_t record = *hosts + uint64_t{*which} * fields.host_size;
  // Without a name there is an address, in another field.
  if (const auto host = TextAt(memory, record + fields.host)) Copy(*host, adopted->host);
  const auto port = TextAt(memory, record + fields.port);
  if (!port) return memory.Word(record + fields.port) == uint64_t{0};
  uint16_t number = 0;
  const char* end = port->data() + port->size();
  const auto [rest, problem] = std::from_chars(port->data(), end, number);
  adopted->port = number;
  return problem == std::errc() && rest == end && number != 0;
}

}  // namespace

std::set<int32_t> SocketsOf(int32_t pid, const std::string& proc) {
  std::set<int32_t> sockets;
  const std::string directory = fmt::format("{}/{}/fd", proc, pid);
  for (const int32_t descriptor : ListPids(directory)) {
    const auto target = ReadLink(fmt::format("{}/{}", directory, descriptor));
    if (target && target->starts_with("socket:")) sockets.insert(descriptor);
  }
  return sockets;
}

ConnectionStage ReadConnection(const RemoteMemory& memory, const attach::Copy& copy,
                               const std::set<int32_t>& sockets, uint64_t handle,
                               attach::Adopted* adopted) {
  *adopted = {};
  const attach::Fields& fields = copy.fields;
  const auto socket = Number(memory, handle + fields.socket);
  const auto status = Number(memory, handle + fields.status);
  const auto backend = Number(memory, handle + fields.backend_pid);
  const auto transaction = Number(memory, handle + fields.transaction);
  if (!socket || !sockets.contains(static_cast<int32_t>(*socket)) || !status || !backend ||
      !transaction || *transaction > PQTRANS_INERROR)
    return ConnectionStage::kNone;
  const bool open = *status == CONNECTION_OK && *backend != 0;
  if (!open && !IsUnderWay(*status)) return ConnectionStage::kNone;
  const auto dbname = TextAt(memory, handle + fields.dbname);
  const auto user = TextAt(memory, handle + fields.user);
  if (!dbname || !user || dbname->empty() || user->empty() ||
      !ReadHost(memory, fields, handle, adopted))
    return ConnectionStage::kNone;
  // With a connect under way there is less to tell it by.
  if (!open && adopted->port == 0 && adopted->host[0] == '\0') return ConnectionStage::kNone;
  adopted->handle = handle;
  adopted->copy = copy.number;
  adopted->backend_pid = static_cast<int32_t>(*backend);
  adopted->transaction = *transaction;
  Copy(*dbname, adopted->dbname);
  Copy(*user, adopted->user);
  return open ? ConnectionStage::kOpen : ConnectionStage::kConnecting;
}

FoundConnections FindConnections(const Modules& modules, const RemoteMemory& memory,
                                 const attach::Order& answer, const std::set<int32_t>& sockets) {
  FoundConnections found;
  if (sockets.empty()) return found;
  const auto highest = static_cast<uint32_t>(*sockets.rbegin());
  const auto add = [&](const attach::Copy& copy, uint64_t handle) {
    attach::Adopted adopted;
    const ConnectionStage stage = ReadConnection(memory, copy, sockets, handle, &adopted);
    if (stage == ConnectionStage::kNone) return;
    auto& list = stage == ConnectionStage::kOpen ? found.open : found.connecting;
    const bool known = std::any_of(list.begin(), list.end(), [&](const attach::Adopted& other) {
      return other.handle == handle;
    });
    if (!known && list.size() < attach::kMaxAdopted) list.push_back(adopted);
  };
  std::vector<uint8_t> bytes;
  for (const Mapping& mapping : modules.mappings) {
    // A PGconn comes from the allocator.
    if (!mapping.readable || !mapping.writable || mapping.path.starts_with("[v") ||
        mapping.path.starts_with("[stack"))
      continue;
    for (uint64_t at = mapping.range.begin; at < mapping.range.end; at += kPiece) {
      bytes.resize(std::min<uint64_t>(kPiece, mapping.range.end - at));
      bytes.resize(memory.Read(at, bytes.data(), bytes.size()));
      for (const attach::Copy& copy : answer.copies) {
        if (copy.signature == 0 || copy.number == attach::kNoOffset || !AreKnown(copy.fields))
          continue;
        // A PGconn that begins in this piece or before it: its socket lies in it.
        const uint64_t socket_at = copy.fields.socket;
        const uint64_t first = (kAlignment - (at - socket_at) % kAlignment) % kAlignment;
        for (uint64_t i = first; i + sizeof(uint32_t) <= bytes.size(); i += kAlignment) {
          uint32_t descriptor = 0;
          std::memcpy(&descriptor, bytes.data() + i, sizeof descriptor);
          if (descriptor > highest || !sockets.contains(static_cast<int32_t>(descriptor))) continue;
          const uint64_t handle = at + i - socket_at;
          // Most of what looks like a descriptor is none: the status is looked at here, if it can
          // be.
          const uint64_t status_at = handle + copy.fields.status - at;
          uint32_t status = CONNECTION_OK;
          if (status_at + sizeof status <= bytes.size())
            std::memcpy(&status, bytes.data() + status_at, sizeof status);
          const uint64_t backend_at = handle + copy.fields.backend_pid - at;
          uint32_t backend = 1;
          if (backend_at + sizeof backend <= bytes.size())
            std::memcpy(&backend, bytes.data() + backend_at, sizeof backend);
          if ((status == CONNECTION_OK && backend != 0) || IsUnderWay(status)) add(copy, handle);
        }
      }
    }
  }
  return found;
}

}  // namespace pqleash::reporter
