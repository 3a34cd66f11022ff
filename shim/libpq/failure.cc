// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/failure.h"

#include <cstring>

namespace pqleash::libpq {

namespace {

struct Saying {
  ledger::FailureClass reason;
  const char* words;  // part of a message that contains no name
};

// The first saying that a message contains decides. Sayings of a server come before those of system
// calls: if there are several hosts, a host that answers tells more than one that does not.
// Otherwise the order does not matter, except where one saying is part of another.
constexpr Saying kSayings[] = {
    // The server has no slot for any user, or none for ordinary users.
    {ledger::kFailureServerFull, "too many clients already"},
    {ledger::kFailureServerFull, "connection slots are reserved"},
    {ledger::kFailureServerFull, "no more connections allowed"},
    {ledger::kFailureServerFull, "schon zu viele Verbindungen"},
    {ledger::kFailureServerFull, "verbleibenden Verbindungen sind für"},
    {ledger::kFailureServerFull, "ya tenemos demasiados clientes"},
    {ledger::kFailureServerFull, "conexiones restantes están reservadas"},
    {ledger::kFailureServerFull, "trop de clients sont déjà connectés"},
    {ledger::kFailureServerFull, "connexions restants sont réservés"},
    {ledger::kFailureServerFull, "troppi client già connessi"},
    {ledger::kFailureServerFull, "rimanenti slot di connessione sono riservati"},
    {ledger::kFailureServerFull, "クライアント数が多すぎます"},
    {ledger::kFailureServerFull, "残りの接続スロットは"},
    {ledger::kFailureServerFull, "უკვე მეტისმეტად ბევრი კლიენტია"},
    {ledger::kFailureServerFull, "최대 동시 접속자 수를 초과"},
    {ledger::kFailureServerFull, "남은 연결 슬롯은"},
    {ledger::kFailureServerFull, "уже слишком много клиентов"},
    {ledger::kFailureServerFull, "оставшиеся слоты подключений зарезервированы"},
    {ledger::kFailureServerFull, "för många klienter"},
    {ledger::kFailureServerFull, "resterande anslutningsslottar"},
    {ledger::kFailureServerFull, "вже забагато клієнтів"},
    {ledger::kFailureServerFull, "слоти підключень, які залишились"},
    {ledger::kFailureServerFull, "客户端连接过多"},
    {ledger::kFailureServerFull, "剩余连接槽位保留"},
    {ledger::kFailureServerFull, "客戶端過多"},
    {ledger::kFailureServerFull, "剩餘的連線槽保留"},
    // The limit of the role or of the database is reached.
    {ledger::kFailureRoleLimit, "too many connections for "},
    {ledger::kFailureRoleLimit, "zu viele Verbindungen "},
    {ledger::kFailureRoleLimit, "demasiadas conexiones para"},
    {ledger::kFailureRoleLimit, "trop de connexions pour"},
    {ledger::kFailureRoleLimit, "troppe connessioni per"},
    {ledger::kFailureRoleLimit, "からの接続が多すぎます"},
    {ledger::kFailureRoleLimit, "への接続が多すぎます"},
    {ledger::kFailureRoleLimit, "მეტისმეტად ბევრი კავშირი"},
    {ledger::kFailureRoleLimit, "최대 동시 접속수를 초과"},
    {ledger::kFailureRoleLimit, "слишком много подключений для"},
    {ledger::kFailureRoleLimit, "för många uppkopplingar för"},
    {ledger::kFailureRoleLimit, "занадто багато підключень для"},
    {ledger::kFailureRoleLimit, "的连接过多"},
    {ledger::kFailureRoleLimit, "的連線太多"},
    // The server refuses the login.
    {ledger::kFailureServerUnready, "the database system is "},
    {ledger::kFailureServerUnready, "due to administrator command"},
    {ledger::kFailureNotAllowed, "no pg_hba.conf entry"},
    {ledger::kFailureNotAllowed, "pg_hba.conf rejects"},
    {ledger::kFailureNotAllowed, "is not permitted to log in"},
    {ledger::kFailureNotAllowed, "not currently accepting connections"},
    {ledger::kFailureNotAllowed, "permission denied for database"},
    {ledger::kFailureAuthentication, "authentication failed"},
    {ledger::kFailureAuthentication, "no password supplied"},
    {ledger::kFailureAuthentication, "authentication method"},
    {ledger::kFailureAuthentication, "SCRAM"},
    {ledger::kFailureAuthentication, "GSSAPI"},
    {ledger::kFailureTls, "SSL"},
    {ledger::kFailureTls, "certificate"},
    // libpq refuses the conninfo before it sends anything.
    {ledger::kFailureConninfo, "invalid connection option"},
    {ledger::kFailureConninfo, "connection info string"},
    {ledger::kFailureConninfo, "invalid URI"},
    {ledger::kFailureConninfo, "invalid port number"},
    {ledger::kFailureConninfo, "in URI"},
    {ledger::kFailureConninfo, "definition of service"},
    {ledger::kFailureName, "could not translate host name"},
    {ledger::kFailureName, "could not look up"},
    // A system call failed.
    {ledger::kFailureTimeout, "timeout expired"},
    {ledger::kFailureTimeout, "timed out"},
    {ledger::kFailureRefused, "Connection refused"},
    {ledger::kFailureRefused, "No such file or directory"},
    {ledger::kFailureUnreachable, "No route to host"},
    {ledger::kFailureUnreachable, "unreachable"},
    {ledger::kFailureUnreachable, "server closed the connection unexpectedly"},
    {ledger::kFailureUnreachable, "Connection reset by peer"},
    {ledger::kFailureUnreachable, "Broken pipe"},
};

constexpr const char* kNothingThere = " does not exist";

ledger::FailureClass ReasonOf(const char* message) {
  for (const Saying& saying : kSayings) {
    if (strstr(message, saying.words) != nullptr) return saying.reason;
  }
  if (strstr(message, kNothingThere) == nullptr) return ledger::kFailureOther;
  if (strstr(message, "role \"") != nullptr) return ledger::kFailureNoRole;
  return strstr(message, "database \"") != nullptr ? ledger::kFailureNoDatabase
                                                   : ledger::kFailureOther;
}

// Returns the part of the message after the last words that libpq puts before the words of others,
// or nullptr if there are no such words.
const char* Told(const char* message) {
  for (const char* before : {"FATAL:  ", "failed: ", "host name "}) {
    const char* found = nullptr;
    for (const char* at = strstr(message, before); at != nullptr; at = strstr(at + 1, before))
      found = at;
    if (found != nullptr) return found + strlen(before);
  }
  return nullptr;
}

std::string_view TextOf(const char* message, ledger::FailureClass reason) {
  const char* told = reason != ledger::kFailureConninfo ? Told(message) : nullptr;
  if (told == nullptr) return {};
  size_t size = 0;
  while (size < kMaxFailureText && told[size] != '\0' && told[size] != '\n') ++size;
  return {told, size};
}

}  // namespace

Failure FailureOf(const char* message) noexcept {
  if (message == nullptr) return {ledger::kFailureOther, {}};
  const ledger::FailureClass reason = ReasonOf(message);
  return {reason, TextOf(message, reason)};
}

}  // namespace pqleash::libpq
