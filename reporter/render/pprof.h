// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_PPROF_H_
#define PQLEASH_REPORTER_RENDER_PPROF_H_

#include <ostream>
#include <string>

#include "reporter/report/report.h"

namespace pqleash::reporter {

// A profile for pprof and what reads its format (github.com/google/pprof, proto/profile.proto): the
// connections that the report shows, by stack and by the labels target, thread, service, state and
// pid. Values are connections, then the sums of their ages and idle times. All frames, whatever
// else hides some. A module has addresses of our own, since processes load it at different ones:
// they map to those of the file as a loader's would, so that pprof can look up what we could not.
//
// The protobuf message alone.
std::string PprofMessage(const Report& report);

// The file: the message, compressed with gzip, of the same bytes whenever it is made.
void RenderPprof(const Report& report, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_PPROF_H_
