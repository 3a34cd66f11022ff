// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/shared_document.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "reporter/words/diagnose.h"

namespace pqleash::reporter {
namespace {

constexpr int kRest = 4;  // times as long as making it, at least

}  // namespace

SharedDocument::Text SharedDocument::Get() {
  std::unique_lock lock(mutex_);
  if (text_ != nullptr && std::chrono::steady_clock::now() - made_at_ < std::max(min_age_, rest_)) {
    return text_;
  }
  if (making_) {
    if (text_ != nullptr || waiting_ >= max_waiting_) return text_;
    ++waiting_;
    made_.wait(lock, [this] { return !making_; });
    --waiting_;
    return text_;
  }
  making_ = true;
  lock.unlock();
  const auto begun = std::chrono::steady_clock::now();
  Text text;
  try {
    text = std::make_shared<const std::string>(make_());
  } catch (const std::exception& error) {
    Diagnose(std::string("serve: a document could not be made: ") + error.what());
  }
  lock.lock();
  making_ = false;
  if (text != nullptr) {
    text_ = std::move(text);
    made_at_ = std::chrono::steady_clock::now();
    rest_ = kRest * (made_at_ - begun);
  }
  made_.notify_all();
  return text_;
}

}  // namespace pqleash::reporter
