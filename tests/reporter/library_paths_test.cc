// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/library_paths.h"

#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

constexpr ScriptOrigin kOwn = ScriptOrigin::kOwn;
constexpr ScriptOrigin kGenerated = ScriptOrigin::kGenerated;
constexpr ScriptOrigin kPackage = ScriptOrigin::kPackage;
constexpr ScriptOrigin kStandard = ScriptOrigin::kStandard;

TEST(OriginOfScriptTest, Table) {
  struct Case {
    Language language;
    const char* file;
    ScriptOrigin origin;
    const char* package = "";
  };
  const Case cases[] = {
      {Language::kPython, "/usr/lib/python3.11/socketserver.py", kStandard},
      {Language::kPython, "/usr/lib/python311.zip/asyncio/base_events.py", kStandard},
      {Language::kPython, "/srv/venv/lib64/python3.9/threading.py", kStandard},
      {Language::kPython, "/opt/conda/envs/shop/lib/python3.12/asyncio/events.py", kStandard},
      {Language::kPython,
       "/root/.local/share/uv/python/cpython-3.12.3-linux-x86_64-gnu/lib/python3.12/threading.py",
       kStandard},
      {Language::kPython, "/usr/lib/python3/dist-packages/psycopg2/__init__.py", kPackage,
       "psycopg2"},
      {Language::kPython, "/usr/local/lib/python3.13/dist-packages/peewee.py", kPackage, "peewee"},
      {Language::kPython, "/srv/venv/lib/python3.12/site-packages/django/db/utils.py", kPackage,
       "django"},
      {Language::kPython,
       "/root/.cache/pypoetry/virtualenvs/shop-x1-py3.12/lib/python3.12/site-packages/celery/"
       "app.py",
       kPackage, "celery"},
      {Language::kPython, "/srv/shop/__pypackages__/3.12/lib/celery/app.py", kPackage},
      {Language::kPython, "<frozen runpy>", kStandard},
      {Language::kPython, "<string>", kGenerated},
      {Language::kPython, "<attrs generated init shop.Order>", kGenerated},
      {Language::kPython, "<decorator-gen-12>", kGenerated},
      {Language::kPython, "<stdin>", kOwn},
      {Language::kPython, "/srv/app/views.py", kOwn},
      {Language::kPython, "/srv/app/lib/python3_tools/x.py", kOwn},
      {Language::kPython, "views.py", kOwn},
      {Language::kPython, "/srv/app/vendor/x.py", kOwn},
      {Language::kRuby, "/usr/lib/ruby/3.1.0/socket.rb", kStandard},
      {Language::kRuby, "/home/x/.rbenv/versions/3.2.2/lib/ruby/3.2.0/monitor.rb", kStandard},
      {Language::kRuby, "/usr/local/lib/ruby/3.4.0/monitor.rb", kStandard},
      {Language::kRuby, "<internal:kernel>", kStandard},
      {Language::kRuby, "/usr/lib/ruby/vendor_ruby/pg/connection.rb", kPackage, "pg"},
      {Language::kRuby, "/usr/lib/ruby/vendor_ruby/pg.rb", kPackage, "pg"},
      {Language::kRuby, "/var/lib/gems/3.1.0/gems/pg-1.5/lib/pg.rb", kPackage, "pg"},
      {Language::kRuby, "/usr/local/bundle/gems/connection_pool-2.4.1/lib/connection_pool.rb",
       kPackage, "connection_pool"},
      {Language::kRuby, "/srv/app/vendor/bundle/ruby/3.2.0/gems/sequel-5.80.0/lib/sequel.rb",
       kPackage, "sequel"},
      {Language::kRuby,
       "/usr/local/bundle/bundler/gems/sidekiq-cron-3f2c9ab01d54/lib/sidekiq/cron.rb", kPackage,
       "sidekiq-cron"},
      {Language::kRuby, "/home/x/.rvm/gems/ruby-3.2.2/gems/rails-html-sanitizer-1.6.0/lib/x.rb",
       kPackage, "rails-html-sanitizer"},
      {Language::kRuby,
       "/usr/share/rubygems-integration/all/gems/activerecord-6.1.7/lib/active_record/base.rb",
       kPackage, "activerecord"},
      {Language::kRuby, "(eval)", kGenerated},
      {Language::kRuby, "(eval at /srv/app/models/order.rb:8)", kGenerated},
      {Language::kRuby, "-e", kOwn},
      {Language::kRuby, "/srv/app/models/order.rb", kOwn},
      {Language::kRuby, "/srv/app/gems/billing/lib/billing.rb", kOwn},  // a gem of its own
      {Language::kPhp, "/srv/app/vendor/doctrine/dbal/src/Driver.php", kPackage, "doctrine/dbal"},
      {Language::kPhp, "/srv/app/vendor/composer/ClassLoader.php", kPackage, "composer"},
      {Language::kPhp, "/usr/share/php/Symfony/Component/Cache/X.php", kPackage,
       "Symfony/Component"},
      {Language::kPhp, "/srv/app/src/Kernel.php(12) : eval()'d code", kGenerated},
      {Language::kPhp, "/srv/app/var/cache/prod/ContainerAbc/getConnection.php", kGenerated},
      {Language::kPhp, "Command line code", kOwn},
      {Language::kPhp, "/srv/app/public/index.php", kOwn},
      {Language::kPhp, "", kStandard},
      {Language::kPerl, "/usr/share/perl5/DBI.pm", kPackage, "DBI"},
      {Language::kPerl, "/usr/lib/x86_64-linux-gnu/perl5/5.36/DBI.pm", kPackage, "DBI"},
      {Language::kPerl, "/usr/lib/x86_64-linux-gnu/perl5/5.36/DBD/Pg.pm", kPackage, "DBD"},
      {Language::kPerl, "/home/x/perl5/lib/perl5/Mojo/Pg.pm", kPackage, "Mojo"},
      {Language::kPerl, "/srv/app/local/lib/perl5/DBIx/Class/Storage/DBI.pm", kPackage, "DBIx"},
      {Language::kPerl, "/usr/local/share/perl/5.36.0/Moo.pm", kPackage, "Moo"},
      {Language::kPerl, "/usr/local/lib/x86_64-linux-gnu/perl/5.36.0/DBI.pm", kPackage, "DBI"},
      {Language::kPerl, "/usr/local/lib/perl5/site_perl/5.38.0/Moo.pm", kPackage, "Moo"},
      {Language::kPerl, "/usr/local/lib/perl5/5.38.0/Carp.pm", kStandard},
      {Language::kPerl, "/usr/share/perl/5.36/Carp.pm", kStandard},
      {Language::kPerl, "/usr/lib/x86_64-linux-gnu/perl/5.36/DynaLoader.pm", kStandard},
      {Language::kPerl, "/usr/lib/x86_64-linux-gnu/perl-base/IO/Handle.pm", kStandard},
      {Language::kPerl, "(eval 169)", kGenerated},
      {Language::kPerl, "accessor Shop::db (defined at lib/Shop.pm line 4)", kGenerated},
      {Language::kPerl, "-e", kOwn},
      {Language::kPerl, "/srv/app/report.pl", kOwn},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(OriginOfScript(test.language, test.file, {}), test.origin) << test.file;
    if (test.package[0] == '\0') continue;
    EXPECT_EQ(PackageOfScript(test.language, test.file), test.package) << test.file;
  }
}

TEST(OriginOfScriptTest, MoreOfTheUsers) {
  EXPECT_EQ(OriginOfScript(Language::kPython, "/srv/app/db/pool.py", {"*/nothing", "*/db/*"}),
            ScriptOrigin::kShunned);
  EXPECT_EQ(OriginOfScript(Language::kPython, "/srv/app/views.py", {"*/db/*"}), kOwn);
}

TEST(IsGoBetweenTest, DriversAndPoolsButNotWhatUsesThem) {
  EXPECT_TRUE(IsGoBetween(Language::kPython, "psycopg_pool"));
  EXPECT_TRUE(IsGoBetween(Language::kRuby, "activerecord"));
  EXPECT_TRUE(IsGoBetween(Language::kPhp, "doctrine/dbal"));
  EXPECT_TRUE(IsGoBetween(Language::kPerl, "DBIx"));
  EXPECT_FALSE(IsGoBetween(Language::kPython, "celery"));
  EXPECT_FALSE(IsGoBetween(Language::kRuby, "psycopg_pool")) << "of another language";
}

}  // namespace
}  // namespace pqleash::reporter
