// SPDX-License-Identifier: Apache-2.0
//
// Whose a backend is: for people, and the document 'pqleash.whois/1'. Everything that came from
// another process or the server is escaped in the text.

#ifndef PQLEASH_REPORTER_RENDER_WHOIS_H_
#define PQLEASH_REPORTER_RENDER_WHOIS_H_

#include <ostream>

#include "reporter/render/text.h"
#include "reporter/report/whois.h"

namespace pqleash::reporter {

void RenderWhoisText(const Whois& whois, const TextOptions& options, std::ostream& out);
void RenderWhoisJson(const Whois& whois, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_WHOIS_H_
