// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_LISTENER_H_
#define PQLEASH_REPORTER_SERVE_LISTENER_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "reporter/serve/listen_address.h"

namespace pqleash::reporter {

// A listening socket, a thread that accepts, and a fixed number of threads that serve.
class Listener {
 public:
  struct Bounds {
    size_t threads = 16;   // clients served at a time
    size_t waiting = 400;  // and kept waiting; who comes then is turned away
  };

  explicit Listener(Bounds bounds) : bounds_(bounds) {}
  // Stops.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Binds and listens. A string is a sentence that says why not.
  std::optional<std::string> Bind(const ListenAddress& address);
  int port() const { return port_; }

  // Begins to accept. `serve` is called with each client's socket, which does not block and which
  // it closes, by one of the threads.
  void Start(std::function<void(int socket)> serve);

  // Closes the door, lets those inside finish, and returns when all threads have ended.
  void Stop();

  // Whether clients wait for a thread.
  bool HasWaiting() const;

 private:
  void Accept();
  void Work();
  void Enqueue(int socket);

  const Bounds bounds_;
  std::function<void(int socket)> serve_;
  int listening_ = -1;
  int port_ = 0;
  int wake_read_ = -1;  // a pipe: its end of file ends Accept
  int wake_write_ = -1;
  std::vector<std::thread> threads_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable arrived_;
  std::deque<int> waiting_;
  bool stopping_ = false;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_LISTENER_H_
