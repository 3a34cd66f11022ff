// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_SHARED_DOCUMENT_H_
#define PQLEASH_REPORTER_SERVE_SHARED_DOCUMENT_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace pqleash::reporter {

// A text that is made when somebody asks for it, once for all who ask at a time. Thread-safe.
class SharedDocument {
 public:
  using Text = std::shared_ptr<const std::string>;

  // `min_age`: one that is younger is not made anew, nor one that is younger than four times what
  // it took to make. `max_waiting`: those who may wait while it is made for the first time.
  SharedDocument(std::function<std::string()> make, std::chrono::nanoseconds min_age,
                 size_t max_waiting)
      : make_(std::move(make)), min_age_(min_age), max_waiting_(max_waiting) {}

  // While a new one is made, the previous one. nullptr: there is none, and too many wait for it, or
  // it could not be made.
  Text Get();

 private:
  const std::function<std::string()> make_;
  const std::chrono::nanoseconds min_age_;
  const size_t max_waiting_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable made_;
  bool making_ = false;
  size_t waiting_ = 0;
  Text text_;
  std::chrono::steady_clock::time_point made_at_;
  std::chrono::nanoseconds rest_{};  // after it was made
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_SHARED_DOCUMENT_H_
