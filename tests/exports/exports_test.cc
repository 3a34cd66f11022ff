// SPDX-License-Identifier: Apache-2.0
//
// What other tools and people's channels get of a report.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "reporter/render/folded.h"
#include "reporter/render/html.h"
#include "reporter/render/json.h"
#include "reporter/render/markdown.h"
#include "reporter/render/pprof.h"
#include "reporter/render/speedscope.h"
#include "tests/exports/example_report.h"
#include "tests/exports/profile_reader.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

template <typename Render>
std::string Rendered(const Render& render) {
  std::ostringstream out;
  render(out);
  return out.str();
}

std::string Folded(const Report& report, const ExportOptions& options = {}) {
  return Rendered([&](std::ostream& out) { RenderFolded(report, options, out); });
}

std::string Markdown(const Report& report) {
  return Rendered([&](std::ostream& out) { RenderMarkdown(report, {}, out); });
}

std::string Html(const Report& report) {
  return Rendered([&](std::ostream& out) { RenderReportHtml(report, out); });
}

Json Speedscope(const Report& report) {
  return Json::parse(Rendered([&](std::ostream& out) { RenderSpeedscope(report, {}, out); }));
}

std::vector<std::string> Lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

size_t CountOf(const std::string& part, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(FoldedTest, OneLineForEachStackThatHoldsConnections) {
  EXPECT_THAT(
      Lines(Folded(ExampleReport())),
      ElementsAre("billing;worker.py:main;tasks.py:invoice;__init__.py:connect;psyco_connect 5",
                  "billing;worker.py:main;tasks.py:remind;__init__.py:connect;psyco_connect 2",
                  "orders;main;shop::Server::Run();shop::HandleOrder(shop::Request_const&);"
                  "shop::Session::Session(std::shared_ptr<shop::Config_const>);"
                  "libdriver.so.1+0x1235 23",
                  "orders;main;shop::Server::Run();shop::HandleRefund(shop::Request_const&);"
                  "shop::Session::Session(std::shared_ptr<shop::Config_const>);"
                  "libdriver.so.1+0x1235 4"));
}

TEST(FoldedTest, ShowsTheInterpretersOwnFramesWhereAsked) {
  EXPECT_THAT(
      Lines(Folded(ExampleReport(), {/*native_frames=*/true})).front(),
      "billing;Py_RunMain;_PyEval_EvalFrameDefault;worker.py:main;tasks.py:invoice;__init__.py:"
      "connect;psyco_connect 5");
}

TEST(FoldedTest, EqualStacksOfTwoCallSitesAreOneLine) {
  Report report = ExampleReport();
  for (ReportCallSite& site : report.call_sites) site.frames.clear();
  EXPECT_THAT(Lines(Folded(report)),
              ElementsAre("billing;[no_stack_recorded] 7", "orders;[no_stack_recorded] 27"));
}

TEST(FoldedTest, HostileNamesStayInsideOfTheirFrame) {
  const std::vector<std::string> lines = Lines(Folded(HostileReport()));
  ASSERT_THAT(lines, SizeIs(1));
  // Service, script, module; one blank, before the count.
  EXPECT_TRUE(std::regex_match(lines[0], std::regex("[^; ]+;[^; ]+;[^; ]+ 3"))) << lines[0];
  EXPECT_THAT(lines[0], HasSubstr("\\x1b[31m\\x0a\\u{202e}\\xff"));
}

TEST(FoldedTest, NothingForNothing) { EXPECT_EQ(Folded({}), ""); }

TEST(SpeedscopeTest, KeepsToTheSchema) {
  for (const Report& report : {ExampleReport(), HostileReport(), Report()}) {
    const Json document = Speedscope(report);
    EXPECT_EQ(document["$schema"], "https://www.speedscope.app/file-format-schema.json");
    EXPECT_THAT(document["exporter"].get<std::string>(), StartsWith("pqleash@"));
    ASSERT_EQ(document["profiles"].size(), 1u);
    ASSERT_EQ(document["activeProfileIndex"], 0);
    const Json& profile = document["profiles"][0];
    EXPECT_EQ(profile["type"], "sampled");
    EXPECT_EQ(profile["unit"], "none");
    EXPECT_EQ(profile["startValue"], 0);
    ASSERT_EQ(profile["samples"].size(), profile["weights"].size());
    const size_t frames = document["shared"]["frames"].size();
    uint64_t total = 0;
    for (size_t i = 0; i < profile["samples"].size(); ++i) {
      EXPECT_FALSE(profile["samples"][i].empty());
      for (const Json& index : profile["samples"][i]) EXPECT_LT(index.get<size_t>(), frames);
      total += profile["weights"][i].get<uint64_t>();
    }
    EXPECT_EQ(profile["endValue"], total);
    for (const Json& frame : document["shared"]["frames"]) {
      EXPECT_TRUE(frame["name"].is_string()) << frame;
      for (const auto& [key, value] : frame.items()) {
        const bool text = key == "name" || key == "file";
        const bool number = key == "line" || key == "col";
        EXPECT_TRUE(text ? value.is_string() : number && value.is_number_unsigned()) << frame;
      }
    }
  }
}

TEST(SpeedscopeTest, WeighsStacksByTheirOpenConnections) {
  const Json document = Speedscope(ExampleReport());
  const Json& frames = document["shared"]["frames"];
  const Json& profile = document["profiles"][0];
  EXPECT_EQ(profile["weights"], Json({5, 2, 23, 4}));
  EXPECT_EQ(frames[profile["samples"][0][0].get<size_t>()], Json({{"name", "billing"}}));
  EXPECT_EQ(frames[profile["samples"][0][2].get<size_t>()],
            Json({{"name", "tasks.py:invoice"}, {"file", "/srv/billing/tasks.py"}, {"line", 31}}));
}

TEST(MarkdownTest, AnswersFirst) {
  const Report report = ExampleReport();
  const std::string text = Markdown(report);
  ASSERT_FALSE(report.findings.empty());
  EXPECT_THAT(text, StartsWith("**" + MarkdownText(report.answer.sentence) + ".**\n"));
  EXPECT_THAT(text, HasSubstr("2 processes, 34 connections open\n"));
  EXPECT_THAT(text, HasSubstr("| 1 | critical | leak-suspect | likely | "));
  EXPECT_THAT(text, HasSubstr("1. shop::Session::Session(std::shared\\_ptr&lt;shop::Config "
                              "const>) (src/session.cc:41): 23 open, 23 opened, 0 closed, 0 "
                              "failed, "));
  EXPECT_THAT(text, HasSubstr("   ```text\n   #0 "));
  EXPECT_LE(CountOf("```text", text), kMarkdownCallSites);
}

TEST(MarkdownTest, EscapesWhatIsMarkup) {
  struct Case {
    const char* bytes;
    const char* markdown;
  };
  const Case cases[] = {
      {"plain (text) 1.2", "plain (text) 1.2"},
      {"`code`", "\\`code\\`"},
      {"a|b", "a\\|b"},
      {"<img>", "&lt;img>"},
      {"&lt;", "&amp;lt;"},
      {"@channel", "@\u2060channel"},
      {"__init__", "\\_\\_init\\_\\_"},
      {"![x](y)", "!\\[x\\](y)"},
      {"https://a", "https\\://a"},
      {"www.a.b", "www\\.a.b"},
      {"\x1b", "\\\\x1b"},
      {"a\nb", "a\\\\x0ab"},
  };
  for (const Case& test : cases) EXPECT_EQ(MarkdownText(test.bytes), test.markdown) << test.bytes;
}

TEST(MarkdownTest, HostileNamesAreText) {
  const std::string text = Markdown(HostileReport());
  std::string fence;
  for (const std::string& line : Lines(text)) {
    const std::string content = line.substr(std::min(line.find_first_not_of(' '), line.size()));
    if (content.rfind("```", 0) == 0) {
      const std::string ticks = content.substr(0, content.find_first_not_of('`'));
      if (fence.empty()) {
        fence = ticks;
      } else if (ticks.size() >= fence.size() && ticks.size() == content.size()) {
        fence.clear();
      }
      continue;
    }
    if (!fence.empty()) continue;
    EXPECT_THAT(line, Not(HasSubstr("<")));
    EXPECT_THAT(line, Not(HasSubstr("@channel")));
    EXPECT_THAT(line, Not(HasSubstr("https://evil")));
    EXPECT_FALSE(std::regex_search(line, std::regex("(^|[^\\\\])(`|\\[)"))) << line;
    if (content.rfind("| ", 0) == 0 && content.rfind("| #", 0) != 0) {
      // Seven bars of the table's own.
      EXPECT_EQ(CountOf("|", line) - CountOf("\\|", line), 7u) << line;
    }
  }
  EXPECT_EQ(fence, "") << "a fence is open at the end";
}

TEST(MarkdownTest, SaysThatThereIsNothing) {
  EXPECT_THAT(Markdown({}), StartsWith("**No process with connections is seen.**\n"));
}

TEST(PprofTest, KeepsToTheRulesOfPprof) {
  for (const Report& report : {ExampleReport(), HostileReport(), Report()}) {
    EXPECT_THAT(BrokenRules(ReadProfile(PprofMessage(report))), IsEmpty());
  }
}

TEST(PprofTest, CountsFirst) {
  const Profile profile = ReadProfile(PprofMessage(ExampleReport()));
  std::vector<std::string> types;
  for (const auto& [type, unit] : profile.sample_types) {
    types.push_back(profile.Text(type) + "/" + profile.Text(unit));
  }
  EXPECT_THAT(types, ElementsAre("connections/count", "age/nanoseconds", "idle/nanoseconds"));
  EXPECT_EQ(profile.Text(profile.default_sample_type), "connections");
  EXPECT_EQ(profile.time_ns, 1'763'702'000'000'000'000);
}

TEST(PprofTest, HasStacksLabelsAndBuildIds) {
  const Profile profile = ReadProfile(PprofMessage(ExampleReport()));
  std::map<std::string, int64_t> counts;
  for (const ProfileSample& sample : profile.samples) {
    const auto labels = profile.Labels(sample);
    counts[labels.at("service") + " " + labels.at("state")] += sample.values[0];
    if (labels.at("service") == "billing") {
      EXPECT_EQ(labels.at("target"), "shop@10.0.0.3");
      EXPECT_EQ(labels.at("thread"), "4802 worker");
      EXPECT_EQ(labels.at("pid"), "4802");
      const std::vector<std::string> stack = profile.Stack(sample);
      EXPECT_EQ(stack.front(), "psyco_connect");
      EXPECT_EQ(stack.back(), "Py_RunMain");
    }
  }
  EXPECT_THAT(counts, UnorderedElementsAre(std::pair("orders established", 27),
                                           std::pair("billing established", 7),
                                           std::pair("orders failed", 1)));
  std::map<std::string, std::string> build_ids;
  for (const ProfileMapping& mapping : profile.mappings) {
    build_ids[profile.Text(mapping.filename)] = profile.Text(mapping.build_id);
  }
  EXPECT_EQ(build_ids["/opt/orders/bin/orders"], "010203");
  EXPECT_EQ(build_ids["/usr/lib/x86_64-linux-gnu/libdriver.so.1"], "0405");
}

TEST(PprofTest, AddressesAreThoseOfTheCallInTheFile) {
  const Profile profile = ReadProfile(PprofMessage(ExampleReport()));
  // Of main, at return address 0x9abd of a file that begins at address 0.
  const auto named = [&](const ProfileLocation& location) {
    return location.lines.size() == 1 &&
           profile.Text(profile.functions[location.lines[0].function - 1].name) == "main" &&
           location.mapping != 0;
  };
  const auto location = std::find_if(profile.locations.begin(), profile.locations.end(), named);
  ASSERT_NE(location, profile.locations.end());
  const ProfileMapping& mapping = profile.mappings[location->mapping - 1];
  EXPECT_EQ(location->address - mapping.memory_start + mapping.file_offset, 0x9abcu);
}

// Of the calls in /opt/orders/bin/orders, in order: addresses in its mapping, which is given.
std::vector<uint64_t> CallsInOrders(const Profile& profile, ProfileMapping* mapping) {
  std::vector<uint64_t> calls;
  for (const ProfileLocation& location : profile.locations) {
    if (location.mapping == 0) continue;
    const ProfileMapping& its = profile.mappings[location.mapping - 1];
    if (profile.Text(its.filename) != "/opt/orders/bin/orders") continue;
    *mapping = its;
    calls.push_back(location.address - its.memory_start);
  }
  std::sort(calls.begin(), calls.end());
  return calls;
}

TEST(PprofTest, MapsTheCodeAsALoaderWould) {
  Report report = ExampleReport();
  // As ld.lld lays it out: further away in memory than in the file.
  for (ReportModule& module : report.modules) module.code = CodeSegment{0x6010, 0x5010, 0x2000};
  const Profile profile = ReadProfile(PprofMessage(report));
  EXPECT_THAT(BrokenRules(profile), IsEmpty());
  ProfileMapping mapping;
  // 0x5678 and 0x9abc lie outside: in no mapping.
  EXPECT_THAT(CallsInOrders(profile, &mapping), ElementsAre(0x678, 0x1000));
  EXPECT_EQ(mapping.file_offset, 0x5000u);
  EXPECT_EQ(mapping.memory_limit - mapping.memory_start, 0x3000u);
}

TEST(PprofTest, GuessesWhereTheCodeIsOfAFileThatIsNotThere) {
  Report report = ExampleReport();
  for (ReportModule& module : report.modules) module.first_address = 0x4000;
  const Profile profile = ReadProfile(PprofMessage(report));
  EXPECT_THAT(BrokenRules(profile), IsEmpty());
  ProfileMapping mapping;
  EXPECT_THAT(CallsInOrders(profile, &mapping), ElementsAre(0x678, 0x1678, 0x2000, 0x4abc));
  EXPECT_EQ(mapping.file_offset, 0x1000u);  // of address 0x5000
}

TEST(PprofTest, InlinedFunctionsShareALocation) {
  const Profile profile = ReadProfile(PprofMessage(ExampleReport()));
  std::vector<std::string> names;
  for (const ProfileLocation& location : profile.locations) {
    if (location.lines.size() < 2) continue;
    for (const ProfileLine& line : location.lines) {
      names.push_back(profile.Text(profile.functions[line.function - 1].name));
    }
  }
  EXPECT_THAT(names, ElementsAre("shop::Session::Session(std::shared_ptr<shop::Config const>)",
                                 "shop::HandleOrder(shop::Request const&)",
                                 "shop::Session::Session(std::shared_ptr<shop::Config const>)",
                                 "shop::HandleRefund(shop::Request const&)"));
}

TEST(PprofTest, ModulesOfNoPossibleSizeDoNotOverlap) {
  Report report = ExampleReport();
  for (ReportModule& module : report.modules) {
    module.first_address = 0x1000;
    module.size = UINT64_MAX - 5;
  }
  EXPECT_THAT(BrokenRules(ReadProfile(PprofMessage(report))), IsEmpty());
  for (ReportModule& module : report.modules) {
    module.code = CodeSegment{UINT64_MAX - 5, UINT64_MAX, UINT64_MAX};
  }
  EXPECT_THAT(BrokenRules(ReadProfile(PprofMessage(report))), IsEmpty());
}

TEST(PprofTest, TheFileIsCompressedAndAlwaysTheSame) {
  const Report report = ExampleReport();
  const auto file = [&] { return Rendered([&](std::ostream& out) { RenderPprof(report, out); }); };
  EXPECT_EQ(Gunzip(file()), PprofMessage(report));
  EXPECT_EQ(file(), file());
}

// The content of the element with the data.
std::string DataOf(const std::string& html) {
  const std::string begin = "<script type=\"application/json\" id=\"pqleash-data\">";
  const size_t at = html.find(begin);
  if (at == std::string::npos) return "";
  return html.substr(at + begin.size(), html.find("</script>", at) - at - begin.size());
}

TEST(HtmlTest, HoldsTheReport) {
  for (const Report& report : {ExampleReport(), HostileReport()}) {
    EXPECT_EQ(Json::parse(DataOf(Html(report))),
              Json::parse(ReportJson(report).dump(-1, ' ', true, Json::error_handler_t::replace)));
  }
}

TEST(HtmlTest, LoadsNothing) {
  const std::string html = Html(ExampleReport());
  EXPECT_FALSE(
      std::regex_search(html, std::regex("<script[^>]* src|<link[^>]*stylesheet|@import")));
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  EXPECT_THAT(html, Not(HasSubstr("unsafe-inline")));
}

TEST(HtmlTest, DataEndsNoElement) {
  EXPECT_EQ(ScriptData("\"</script><!--&\""), "\"\\u003c/script\\u003e\\u003c!--\\u0026\"");
  const std::string plain = Html(ExampleReport());
  const std::string hostile = Html(HostileReport());
  EXPECT_EQ(CountOf("</script", plain), CountOf("</script", hostile));
  EXPECT_EQ(CountOf("<!--", plain), CountOf("<!--", hostile));
  EXPECT_THAT(hostile, Not(HasSubstr("<img")));
}

TEST(ReportJsonTest, HasTheCaps) {
  const Json caps = ReportJson(ExampleReport())["caps"];
  ASSERT_FALSE(caps.empty());
  EXPECT_TRUE(caps[0].contains("waiters"));
}

}  // namespace
}  // namespace pqleash::reporter
