// SPDX-License-Identifier: Apache-2.0
//
// An auditor of the dynamic linker, for LD_AUDIT: it lives in a namespace of its own, and has every
// binding told to it.

unsigned la_version(unsigned version) { return version; }
unsigned la_objopen(void* map, long id, void* cookie) {
  (void)map;
  (void)id;
  (void)cookie;
  return 3;
}
