// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/lookup.h"

#include <fmt/format.h>

#include <algorithm>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter::top {
namespace {

// Without parameters: 'shop::Order' of 'shop::Order(char const*) const'.
std::string FunctionName(const std::string& function) {
  const size_t end = function.rfind(')');
  size_t depth = 0;
  for (size_t at = end; at != std::string::npos && at > 0; --at) {
    if (function[at] == ')') ++depth;
    if (function[at] == '(' && --depth == 0) return function.substr(0, at);
  }
  return function;
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

const ServiceSample* FindService(const Sample& sample, const std::string& name) {
  const auto found =
      std::find_if(sample.services.begin(), sample.services.end(),
                   [&](const ServiceSample& service) { return service.name == name; });
  return found == sample.services.end() ? nullptr : &*found;
}

const ReportCallSite* FindSite(const Report& report, const std::string& key) {
  for (const ReportCallSite& site : report.call_sites) {
    if (CallSiteName(site.id) == key) return &site;
  }
  return nullptr;
}

const ReportConnection* FindConnection(const ReportCallSite& site, const std::string& key) {
  for (const ReportConnection& connection : site.connections) {
    if (ConnectionKey(connection) == key) return &connection;
  }
  return nullptr;
}

const Finding* FindFinding(const Report& report, const std::string& key) {
  for (size_t i = 0; i < report.findings.size(); ++i) {
    if (FindingKey(report, i) == key) return &report.findings[i];
  }
  return nullptr;
}

std::vector<const Finding*> FindingsOf(const Report& report, uint64_t call_site) {
  std::vector<const Finding*> findings;
  for (const Finding& finding : report.findings) {
    const bool in_stacks =
        std::any_of(finding.stacks.begin(), finding.stacks.end(),
                    [&](const FindingStack& stack) { return stack.call_site == call_site; });
    if (finding.call_site == call_site || (call_site != 0 && in_stacks)) {
      findings.push_back(&finding);
    }
  }
  return findings;
}

std::string ConnectionKey(const ReportConnection& connection) {
  return fmt::format("{} {:x} {} {}", connection.pid, connection.handle, connection.tid,
                     connection.backend_pid);
}

std::string FindingKey(const Report& report, size_t index) {
  const auto name = [&](const Finding& finding) {
    return fmt::format("{} {}", finding.kind, CallSiteName(finding.call_site.value_or(0)));
  };
  const std::string own = name(report.findings[index]);
  size_t same = 0;
  for (size_t i = 0; i < index; ++i) same += name(report.findings[i]) == own ? 1 : 0;
  return fmt::format("{} {}", own, same);
}

namespace {

// On a line of a table the directory is the least of it; the stack shows it.
std::string Brief(const SourceFrame& frame) {
  if (!frame.function.empty() && !frame.file.empty()) {
    return fmt::format("{} ({}:{})", FunctionName(frame.function), BaseName(frame.file),
                       frame.line);
  }
  if (!frame.function.empty() && !frame.module.empty()) {
    return fmt::format("{} ({})", FunctionName(frame.function), BaseName(frame.module));
  }
  return DescribeFrame(&frame);
}

}  // namespace

std::string SiteTitle(const ReportCallSite& site) {
  if (site.headline && *site.headline < site.frames.size()) {
    const SourceFrame& frame = site.frames[*site.headline];
    // What differs comes first: the end of a narrow line is cut.
    if (site.caller && *site.caller < site.frames.size()) {
      const std::string function = FunctionName(frame.function);
      return Escape(fmt::format("{} > {}", Brief(site.frames[*site.caller]),
                                function.empty() ? Brief(frame) : function));
    }
    return Escape(Brief(frame));
  }
  return site.id == 0 ? "not attributed" : "call site " + CallSiteName(site.id);
}

}  // namespace pqleash::reporter::top
