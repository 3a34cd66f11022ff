// SPDX-License-Identifier: Apache-2.0
//
// toml++, compiled once for the library and the tool.

#define TOML_IMPLEMENTATION
#include "shim/config/toml.h"
