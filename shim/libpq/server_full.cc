// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/server_full.h"

#include <cstring>

namespace pqleash::libpq {

namespace {

// Parts of the messages that hold no name.
constexpr const char* kSayings[] = {
    // English
    "too many clients already",
    "connection slots are reserved",
    "too many connections for ",
    // PgBouncer
    "no more connections allowed",
    // German
    "schon zu viele Verbindungen",
    "verbleibenden Verbindungen sind für",
    "zu viele Verbindungen ",
    // Spanish
    "ya tenemos demasiados clientes",
    "conexiones restantes están reservadas",
    "demasiadas conexiones para",
    // French
    "trop de clients sont déjà connectés",
    "connexions restants sont réservés",
    "trop de connexions pour",
    // Italian
    "troppi client già connessi",
    "rimanenti slot di connessione sono riservati",
    "troppe connessioni per",
    // Japanese
    "クライアント数が多すぎます",
    "残りの接続スロットは",
    "からの接続が多すぎます",
    "への接続が多すぎます",
    // Georgian
    "უკვე მეტისმეტად ბევრი კლიენტია",
    "მეტისმეტად ბევრი კავშირი",
    // Korean
    "최대 동시 접속자 수를 초과",
    "남은 연결 슬롯은",
    "최대 동시 접속수를 초과",
    // Russian
    "уже слишком много клиентов",
    "оставшиеся слоты подключений зарезервированы",
    "слишком много подключений для",
    // Swedish
    "för många klienter",
    "resterande anslutningsslottar",
    "för många uppkopplingar för",
    // Ukrainian
    "вже забагато клієнтів",
    "слоти підключень, які залишились",
    "занадто багато підключень для",
    // Chinese
    "客户端连接过多",
    "剩余连接槽位保留",
    "的连接过多",
    "客戶端過多",
    "剩餘的連線槽保留",
    "的連線太多",
};

}  // namespace

bool SaysServerFull(const char* message) noexcept {
  if (message == nullptr) return false;
  for (const char* saying : kSayings) {
    if (strstr(message, saying) != nullptr) return true;
  }
  return false;
}

}  // namespace pqleash::libpq
