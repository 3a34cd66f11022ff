// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/policy.h"

#include <fnmatch.h>

namespace pqleash::caps {

namespace {

bool Fits(const char* pattern, const char* text) {
  return pattern[0] == '\0' || fnmatch(pattern, text != nullptr ? text : "", 0) == 0;
}

}  // namespace

bool HasTarget(const Policy& policy) {
  return policy.host[0] != '\0' || policy.port[0] != '\0' || policy.dbname[0] != '\0' ||
         policy.user[0] != '\0' || policy.application_name[0] != '\0';
}

bool Matches(const Policy& policy, const Endpoint* endpoint, uint64_t call_site) {
  if (policy.call_site != 0 && policy.call_site != call_site) return false;
  if (!HasTarget(policy)) return true;
  return endpoint != nullptr && Fits(policy.host, endpoint->host) &&
         Fits(policy.port, endpoint->port) && Fits(policy.dbname, endpoint->dbname) &&
         Fits(policy.user, endpoint->user) &&
         Fits(policy.application_name, endpoint->application_name);
}

}  // namespace pqleash::caps
