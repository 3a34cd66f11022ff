// SPDX-License-Identifier: Apache-2.0
//
// Opens connections from 2,000 distinct places, each with a stack of its own and lines of its own,
// against the stand-in, as many as the argument says; prints a line, and waits for the end of
// stdin.

#include <libpq-fe.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace orders {

constexpr int kPlaces = 2'000;

// Inlined everywhere: a report names it at each place.
[[gnu::always_inline]] inline PGconn* Open(const char* conninfo) {
  PGconn* connection = PQconnectdb(conninfo);
  if (PQstatus(connection) != CONNECTION_OK) exit(1);
  return connection;
}

// Not a jump to what is called: then there would be no frame.
[[gnu::always_inline]] inline void Stay() { asm volatile(""); }

template <int place>
[[gnu::noinline]] void Place() {
  Open("");
  Stay();
}

template <int part>
[[gnu::noinline]] void Repository(int place);
template <int part>
[[gnu::noinline]] void Service(int place);
template <int part>
[[gnu::noinline]] void Handler(int place);

template <int... n>
constexpr std::array<void (*)(), sizeof...(n)> Places(std::integer_sequence<int, n...>) {
  return {Place<n>...};
}
template <int... n>
constexpr std::array<void (*)(int), sizeof...(n)> Repositories(std::integer_sequence<int, n...>) {
  return {Repository<n>...};
}
template <int... n>
constexpr std::array<void (*)(int), sizeof...(n)> Services(std::integer_sequence<int, n...>) {
  return {Service<n>...};
}
template <int... n>
constexpr std::array<void (*)(int), sizeof...(n)> Handlers(std::integer_sequence<int, n...>) {
  return {Handler<n>...};
}

constexpr auto kPlaceTable = Places(std::make_integer_sequence<int, kPlaces>());
constexpr auto kRepositories = Repositories(std::make_integer_sequence<int, 400>());
constexpr auto kServices = Services(std::make_integer_sequence<int, 80>());
constexpr auto kHandlers = Handlers(std::make_integer_sequence<int, 20>());

template <int part>
void Repository(int place) {
  kPlaceTable[static_cast<size_t>(place)]();
  Stay();
}
template <int part>
void Service(int place) {
  kRepositories[static_cast<size_t>(place) % kRepositories.size()](place);
  Stay();
}
template <int part>
void Handler(int place) {
  kServices[static_cast<size_t>(place) % kServices.size()](place);
  Stay();
}

}  // namespace orders

int main(int argc, char** argv) {
  const int count = argc > 1 ? atoi(argv[1]) : 0;  // NOLINT(cert-err34-c): from a test
  for (int i = 0; i < count; ++i) {
    const int place = i % orders::kPlaces;
    orders::kHandlers[static_cast<size_t>(place) % orders::kHandlers.size()](place);
    orders::Stay();
  }
  puts("ready");
  fflush(stdout);
  while (getchar() != EOF) continue;
}
