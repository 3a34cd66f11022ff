// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/library_paths.h"

#include <gtest/gtest.h>

#include "reporter/call_sites/call_site_group.h"

namespace pqleash::reporter {
namespace {

TEST(LibraryPathsTest, Table) {
  struct Case {
    Language language;
    const char* file;
    bool library;
  };
  const Case cases[] = {
      {Language::kPython, "/usr/lib/python3.11/socketserver.py", true},
      {Language::kPython, "/usr/lib/python3/dist-packages/psycopg2/__init__.py", true},
      {Language::kPython, "/usr/lib/python311.zip/asyncio/base_events.py", true},
      {Language::kPython, "/srv/venv/lib/python3.12/site-packages/django/db/utils.py", true},
      {Language::kPython, "/srv/venv/lib64/python3.9/threading.py", true},
      {Language::kPython, "<frozen runpy>", true},
      {Language::kPython, "<string>", false},
      {Language::kPython, "<stdin>", false},
      {Language::kPython, "/srv/app/views.py", false},
      {Language::kPython, "/srv/app/lib/python3_tools/x.py", false},
      {Language::kPython, "views.py", false},
      {Language::kPython, "/srv/app/vendor/x.py", false},
      {Language::kRuby, "/usr/lib/ruby/3.1.0/socket.rb", true},
      {Language::kRuby, "/var/lib/gems/3.1.0/gems/pg-1.5/lib/pg.rb", true},
      {Language::kRuby, "/usr/share/rubygems-integration/all/gems/x.rb", true},
      {Language::kRuby, "<internal:kernel>", true},
      {Language::kRuby, "/srv/app/models/order.rb", false},
      {Language::kPhp, "/srv/app/vendor/doctrine/dbal/src/Driver.php", true},
      {Language::kPhp, "/srv/app/public/index.php", false},
      {Language::kPerl, "/usr/share/perl5/DBI.pm", true},
      {Language::kPerl, "/home/x/perl5/lib/perl5/DBI.pm", true},
      {Language::kPerl, "/usr/share/perl/5.36/Carp.pm", true},
      {Language::kPerl, "/usr/lib/x86_64-linux-gnu/perl/5.36/DynaLoader.pm", true},
      {Language::kPerl, "/usr/lib/x86_64-linux-gnu/perl-base/IO/Handle.pm", true},
      {Language::kPerl, "/srv/app/report.pl", false},
      {Language::kPerl, "(eval 12)", false},
      {Language::kPhp, "", true},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(IsLibraryScript(test.language, test.file, {}), test.library) << test.file;
  }
}

TEST(LibraryPathsTest, MoreOfTheUsers) {
  EXPECT_TRUE(IsLibraryScript(Language::kPython, "/srv/app/db/pool.py", {"*/nothing", "*/db/*"}));
  EXPECT_FALSE(IsLibraryScript(Language::kPython, "/srv/app/views.py", {"*/db/*"}));
}

SourceFrame Script(const std::string& file) {
  SourceFrame frame;
  frame.language = Language::kPython;
  frame.function = "f";
  frame.file = file;
  return frame;
}

TEST(HeadlineFrameTest, OfScripts) {
  SourceFrame driver;
  driver.module = "/opt/driver/_psycopg.so";
  driver.function = "connect";
  const SourceFrame package = Script("/x/site-packages/orm.py");
  const SourceFrame outer = Script("/usr/lib/python3.11/threading.py");
  struct Case {
    const char* what;
    std::vector<SourceFrame> frames;
    std::vector<std::string> more;
    size_t headline;
  };
  const Case cases[] = {
      {"application", {driver, package, Script("/srv/a.py"), outer}, {}, 2},
      {"all are libraries: the innermost", {driver, package, outer}, {}, 1},
      {"the user's", {driver, Script("/srv/db.py"), Script("/srv/a.py")}, {"/srv/db.py"}, 2},
      {"no script", {driver}, {"*"}, 0},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(HeadlineFrame(test.frames, test.more), &test.frames[test.headline]) << test.what;
  }
}

}  // namespace
}  // namespace pqleash::reporter
