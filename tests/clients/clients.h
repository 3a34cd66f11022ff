// SPDX-License-Identifier: Apache-2.0
//
// The table of libpq's clients: how each is run, and what pqleash has to say about it.

#ifndef PQLEASH_TESTS_CLIENTS_CLIENTS_H_
#define PQLEASH_TESTS_CLIENTS_CLIENTS_H_

#include <compare>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace pqleash::testing {

// How the calls of a client reach the library.
enum class Way {
  kBound,     // bound by the dynamic linker
  kLookedUp,  // through dlsym on a handle
  kDeepBind,  // from an object that was loaded with RTLD_DEEPBIND
};
std::string NameOf(Way way);

// Of connections of one process.
struct Counts {
  uint64_t open = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  auto operator<=>(const Counts&) const = default;
};
std::ostream& operator<<(std::ostream& stream, const Counts& counts);

// A program that calls itself 'report_service' at the server, leaks connections in one function,
// opens and closes one in another, prints 'ready' and waits for a line of input.
struct Client {
  std::string name;                    // of the test: letters and digits
  std::string title;                   // for people
  std::string package;                 // Debian's
  std::vector<std::string> installed;  // a command that succeeds where the client is there
  // A '@' at the begin of a word stands for an empty directory of the run's own.
  std::vector<std::string> command;
  Way way = Way::kBound;
  // Where it leaks: a file in programs/ with a line that ends in the comment LEAK, and the name of
  // the function around that line. Empty: no source of ours, only the counts are compared.
  std::string source = {};
  std::string function = {};
  std::string language = "native";
  std::string closing_function = "load_user";  // opens one and closes it
  // The file whose function calls libpq for code that has no frames of its own to show.
  std::string module = {};
  // Of the processes that opened anything, in ascending order.
  std::vector<Counts> processes = {{.open = 2, .opened = 3, .closed = 1}};
  uint64_t sessions = 2;        // at the server while the program waits
  std::string host = "PGHOST";  // the variable that names the host of its connections
  bool waits = true;            // false: runs to its end, and is looked at afterwards
  bool same_numbers = true;     // false: its output holds times
  std::string finding = {};     // a kind that must be found, at the place of the leak
  std::string schema = {};      // SQL that makes what the client works on
};
std::ostream& operator<<(std::ostream& stream, const Client& client);

std::vector<Client> Clients();

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_CLIENTS_CLIENTS_H_
