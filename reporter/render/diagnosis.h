// SPDX-License-Identifier: Apache-2.0
//
// What `doctor` found: a line for each check, and the document 'pqleash.doctor/1'.

#ifndef PQLEASH_REPORTER_RENDER_DIAGNOSIS_H_
#define PQLEASH_REPORTER_RENDER_DIAGNOSIS_H_

#include <ostream>

#include "reporter/doctor/check.h"

namespace pqleash::reporter {

// `colour`: with terminal attributes.
void RenderDiagnosisText(const Diagnosis& diagnosis, bool colour, std::ostream& out);
void RenderDiagnosisJson(const Diagnosis& diagnosis, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_DIAGNOSIS_H_
