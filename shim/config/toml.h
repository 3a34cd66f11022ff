// SPDX-License-Identifier: Apache-2.0
//
// Includes toml++ with the options that the whole project uses. Only toml.cc compiles the parts
// that are no templates. Every document must pass FindExcess (shape.h) before it is parsed.

#ifndef PQLEASH_SHIM_CONFIG_TOML_H_
#define PQLEASH_SHIM_CONFIG_TOML_H_

#define TOML_HEADER_ONLY 0
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// With charconv the library does not need the C++ locales, which are 400 KB of code.
#define TOML_FLOAT_CHARCONV 1
// toml++ asserts conditions that a file such as '[[[cap]]]' makes false, or lets the compiler
// assume them, and handles the case correctly afterwards. Neither an abort nor an assumption may
// get into a host or into the tool. toml++ honours our TOML_ASSERT only without NDEBUG.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <toml++/toml.h>
#pragma GCC diagnostic pop
#pragma pop_macro("NDEBUG")

#endif  // PQLEASH_SHIM_CONFIG_TOML_H_
