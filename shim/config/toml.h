// SPDX-License-Identifier: Apache-2.0
//
// toml++ as everybody here has to include it: what is not a template is compiled in toml.cc alone.
// A document goes through FindExcess (shape.h) before it is parsed.

#ifndef PQLEASH_SHIM_CONFIG_TOML_H_
#define PQLEASH_SHIM_CONFIG_TOML_H_

#define TOML_HEADER_ONLY 0
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// Numbers by charconv keep the C++ locales out of the library: 400 KB of code.
#define TOML_FLOAT_CHARCONV 1
// It asserts, or assumes, what a file such as '[[[cap]]]' makes untrue; it handles it right
// afterwards. Neither must be in a host, nor in the tool. It takes TOML_ASSERT from us without
// NDEBUG alone.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <toml++/toml.h>
#pragma GCC diagnostic pop
#pragma pop_macro("NDEBUG")

#endif  // PQLEASH_SHIM_CONFIG_TOML_H_
