// SPDX-License-Identifier: Apache-2.0
//
// Loaded later, with RTLD_LOCAL.

#include <libpq-fe.h>

PGconn* plugin_open(void) { return PQconnectdb(""); }
