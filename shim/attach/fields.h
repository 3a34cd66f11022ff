// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_ATTACH_FIELDS_H_
#define PQLEASH_SHIM_ATTACH_FIELDS_H_

#include "shim/attach/order.h"
#include "shim/libpq/copy.h"

namespace pqleash::attach {

// Where the fields of this libpq's PGconn lie: its own functions are asked about a block that is
// none, in which every word says where it is. They read it, and what it points to: blocks of the
// same kind. No heap.
Fields MeasureFields(const libpq::Copy& copy) noexcept;

}  // namespace pqleash::attach

#endif  // PQLEASH_SHIM_ATTACH_FIELDS_H_
