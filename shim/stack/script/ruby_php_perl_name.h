// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_STACK_SCRIPT_RUBY_PHP_PERL_NAME_H_
#define PQLEASH_SHIM_STACK_SCRIPT_RUBY_PHP_PERL_NAME_H_

#include <cstddef>
#include <cstring>
#include <string_view>

namespace pqleash::stack {

// A name that is put together from parts, such as class and method; what is too long is cut.
class QualifiedName {
 public:
  void Append(std::string_view text) {
    const size_t room = sizeof bytes_ - size_;
    const size_t taken = text.size() < room ? text.size() : room;
    if (taken == 0) return;
    memcpy(bytes_ + size_, text.data(), taken);
    size_ += taken;
  }

  // Until the next Append.
  std::string_view text() const { return {bytes_, size_}; }

 private:
  size_t size_ = 0;
  char bytes_[512];
};

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_SCRIPT_RUBY_PHP_PERL_NAME_H_
