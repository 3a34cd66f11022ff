// SPDX-License-Identifier: Apache-2.0
//
// The numbers of profile.proto's fields, for writer and tests. Strings are indexes into the string
// table; ids are not 0.

#ifndef PQLEASH_REPORTER_RENDER_PPROF_FIELDS_H_
#define PQLEASH_REPORTER_RENDER_PPROF_FIELDS_H_

#include <protozero/types.hpp>

namespace pqleash::reporter::pprof {

enum class ProfileField : protozero::pbf_tag_type {
  kSampleType = 1,         // ValueType, repeated
  kSample = 2,             // Sample, repeated
  kMapping = 3,            // Mapping, repeated
  kLocation = 4,           // Location, repeated
  kFunction = 5,           // Function, repeated
  kStringTable = 6,        // string, repeated; the first is empty
  kTimeNanos = 9,          // int64
  kComment = 13,           // string, repeated
  kDefaultSampleType = 14  // string
};

enum class ValueTypeField : protozero::pbf_tag_type { kType = 1, kUnit = 2 };

enum class SampleField : protozero::pbf_tag_type {
  kLocationId = 1,  // uint64, repeated; innermost first
  kValue = 2,       // int64, repeated; as many as sample types
  kLabel = 3        // Label, repeated
};

enum class LabelField : protozero::pbf_tag_type { kKey = 1, kStr = 2, kNum = 3 };

enum class MappingField : protozero::pbf_tag_type {
  kId = 1,
  kMemoryStart = 2,
  kMemoryLimit = 3,
  kFileOffset = 4,
  kFilename = 5,
  kBuildId = 6,
  kHasFunctions = 7,
  kHasFilenames = 8,
  kHasLineNumbers = 9,
  kHasInlineFrames = 10
};

enum class LocationField : protozero::pbf_tag_type {
  kId = 1,
  kMappingId = 2,  // 0: none
  kAddress = 3,
  kLine = 4  // Line, repeated; the last is what the others were inlined into
};

enum class LineField : protozero::pbf_tag_type { kFunctionId = 1, kLine = 2, kColumn = 3 };

enum class FunctionField : protozero::pbf_tag_type {
  kId = 1,
  kName = 2,
  kSystemName = 3,
  kFilename = 4
};

}  // namespace pqleash::reporter::pprof

#endif  // PQLEASH_REPORTER_RENDER_PPROF_FIELDS_H_
