// SPDX-License-Identifier: Apache-2.0
//
// Replaces libstdc++'s terminate handler. The default one prints the exception's name to the host's
// stderr, and links the demangler into the library: 60 KB of code that is never needed, because no
// exception of ours gets as far as the handler.

#include <cstdlib>

namespace __gnu_cxx {

void __verbose_terminate_handler() { std::abort(); }

}  // namespace __gnu_cxx
