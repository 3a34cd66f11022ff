// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/library_paths.h"

#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace pqleash::reporter {
namespace {

struct Row {
  Language language;
  const char* glob;  // '*' matches '/' too
  ScriptOrigin origin;
};

constexpr ScriptOrigin kOwn = ScriptOrigin::kOwn;
constexpr ScriptOrigin kGenerated = ScriptOrigin::kGenerated;
constexpr ScriptOrigin kPackage = ScriptOrigin::kPackage;
constexpr ScriptOrigin kStandard = ScriptOrigin::kStandard;

// The first row that matches counts. pip, venv, poetry, conda, uv, pyenv and Debian all install
// below lib/pythonX.Y/; gem, bundler, rbenv and RVM below gems/NAME-VERSION/; cpan, carton,
// local::lib, plenv and perlbrew below perl5/ or lib/VERSION/.
constexpr Row kRows[] = {
    {Language::kPython, "*/site-packages/*", kPackage},
    {Language::kPython, "*/dist-packages/*", kPackage},
    {Language::kPython, "*/__pypackages__/*", kPackage},
    {Language::kPython, "*/installed_wheels/*", kPackage},  // PEX
    {Language::kPython, "*/lib/python3/*", kStandard},
    {Language::kPython, "*/lib/python3.[0-9]*/*", kStandard},
    {Language::kPython, "*/lib64/python3.[0-9]*/*", kStandard},
    {Language::kPython, "*/python3[0-9]*.zip/*", kStandard},  // zipped standard library
    {Language::kPython, "<frozen *", kStandard},
    {Language::kPython, "<stdin>", kOwn},
    {Language::kPython, "<console>", kOwn},
    {Language::kPython, "<ipython-input*", kOwn},
    {Language::kPython, "<*>", kGenerated},  // also <string> of python -c
    {Language::kRuby, "*/gems/*-[0-9]*/*", kPackage},
    {Language::kRuby, "*/bundler/gems/*-*/*", kPackage},  // from git: the commit's name
    {Language::kRuby, "*/lib/ruby/vendor_ruby/*", kPackage},
    {Language::kRuby, "*/lib/*/ruby/vendor_ruby/*", kPackage},
    {Language::kRuby, "*/ruby/site_ruby/*", kPackage},
    {Language::kRuby, "/usr/share/rubygems-integration/*", kPackage},
    {Language::kRuby, "*/lib/ruby/*", kStandard},
    {Language::kRuby, "*/lib64/ruby/*", kStandard},
    {Language::kRuby, "/usr/lib/*/ruby/*", kStandard},
    {Language::kRuby, "/usr/share/ruby/*", kStandard},
    {Language::kRuby, "<internal:*", kStandard},
    {Language::kRuby, "(eval*", kGenerated},  // '(eval)', from 3.3 on '(eval at FILE:LINE)'
    {Language::kPhp, "*) : eval()'d code*", kGenerated},
    {Language::kPhp, "*) : runtime-created function*", kGenerated},
    {Language::kPhp, "*/vendor/*", kPackage},
    {Language::kPhp, "/usr/share/php*/*", kPackage},
    {Language::kPhp, "/usr/share/pear*/*", kPackage},
    {Language::kPhp, "*/lib/php/*", kPackage},
    {Language::kPhp, "*/var/cache/*", kGenerated},          // Symfony's container, Twig's templates
    {Language::kPhp, "*/storage/framework/*", kGenerated},  // Laravel's templates
    {Language::kPerl, "(eval*", kGenerated},
    {Language::kPerl, "* (defined at * line *)", kGenerated},  // accessors of Moose
    {Language::kPerl, "* (unknown origin)", kGenerated},
    {Language::kPerl, "*/perl5/5.[0-9]*.[0-9]*/*", kStandard},  // Debian's 5.36 is for packages
    {Language::kPerl, "*/perl5/*", kPackage},
    {Language::kPerl, "*/perls/*/site_perl/*", kPackage},  // perlbrew
    {Language::kPerl, "*/perls/*/lib/*", kStandard},
    {Language::kPerl, "/usr/local/share/perl/*", kPackage},  // Debian's cpan
    {Language::kPerl, "/usr/local/lib/*/perl/*", kPackage},
    {Language::kPerl, "/usr/local/lib/site_perl/*", kPackage},
    {Language::kPerl, "/usr/share/perl/*", kStandard},
    {Language::kPerl, "/usr/lib/*/perl/*", kStandard},
    {Language::kPerl, "/usr/lib/*/perl-base/*", kStandard},
};

// After which a path goes on with the package's name.
struct Marker {
  Language language;
  const char* text;
};
constexpr Marker kMarkers[] = {
    {Language::kPython, "/site-packages/"},
    {Language::kPython, "/dist-packages/"},
    {Language::kRuby, "/gems/"},
    {Language::kRuby, "/vendor_ruby/"},
    {Language::kRuby, "/site_ruby/"},
    {Language::kPhp, "/vendor/"},
    {Language::kPhp, "/usr/share/php/"},
    {Language::kPerl, "/perl5/"},
    {Language::kPerl, "/site_perl/"},
    {Language::kPerl, "/perl/"},
};

struct Package {
  Language language;
  const char* name;  // a glob
};

constexpr Package kGoBetweens[] = {
    // Drivers, pools, ORMs.
    {Language::kPython, "psycopg*"},
    {Language::kPython, "aiopg"},
    {Language::kPython, "sqlalchemy*"},
    {Language::kPython, "sqlmodel"},
    {Language::kPython, "flask_sqlalchemy*"},
    {Language::kPython, "alembic"},
    {Language::kPython, "django"},
    {Language::kPython, "dj_db_conn_pool"},
    {Language::kPython, "peewee*"},
    {Language::kPython, "playhouse"},
    {Language::kPython, "pony"},
    {Language::kPython, "records"},
    {Language::kPython, "databases"},
    {Language::kPython, "dbutils"},
    {Language::kPython, "pandas"},
    {Language::kRuby, "pg"},
    {Language::kRuby, "active_record"},
    {Language::kRuby, "activerecord*"},
    {Language::kRuby, "active_support"},
    {Language::kRuby, "activesupport"},
    {Language::kRuby, "sequel*"},
    {Language::kRuby, "connection_pool"},
    {Language::kRuby, "rom*"},
    {Language::kPhp, "doctrine/*"},
    {Language::kPhp, "illuminate/*"},
    {Language::kPhp, "laravel/framework"},
    {Language::kPhp, "cycle/*"},
    {Language::kPhp, "propel/*"},
    {Language::kPhp, "laminas/laminas-db"},
    {Language::kPerl, "DBI"},
    {Language::kPerl, "DBD"},
    {Language::kPerl, "DBIx"},
    {Language::kPerl, "Rose"},
    {Language::kPerl, "Mojo"},
    // What retries, decorates, traces, loads or schedules.
    {Language::kPython, "greenlet"},
    {Language::kPython, "gevent"},
    {Language::kPython, "eventlet"},
    {Language::kPython, "asgiref"},
    {Language::kPython, "anyio"},
    {Language::kPython, "decorator"},
    {Language::kPython, "wrapt"},
    {Language::kPython, "tenacity"},
    {Language::kPython, "retry*"},
    {Language::kPython, "backoff"},
    {Language::kPython, "opentelemetry"},
    {Language::kPython, "sentry_sdk"},
    {Language::kPython, "newrelic"},
    {Language::kPython, "ddtrace"},
    {Language::kPython, "elasticapm"},
    {Language::kRuby, "rubygems"},
    {Language::kRuby, "bundler"},
    {Language::kRuby, "bootsnap"},
    {Language::kRuby, "monitor"},
    {Language::kRuby, "opentelemetry*"},
    {Language::kRuby, "newrelic_rpm"},
    {Language::kRuby, "ddtrace"},
    {Language::kPhp, "composer"},
    {Language::kPerl, "Moose"},
    {Language::kPerl, "Moo"},
    {Language::kPerl, "Class"},
    {Language::kPerl, "Sub"},
    {Language::kPerl, "Try"},
};

bool Matches(const char* glob, const std::string& file) {
  return fnmatch(glob, file.c_str(), 0) == 0;
}

// Up to the next '/', without the ending of a file's name.
std::string_view NextPart(std::string_view* rest, std::string_view ending) {
  std::string_view part = rest->substr(0, rest->find('/'));
  rest->remove_prefix(std::min(part.size() + 1, rest->size()));
  if (rest->empty() && part.ends_with(ending)) part.remove_suffix(ending.size());
  return part;
}

bool BeginsWithDigit(std::string_view text) {
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) != 0;
}

// 'pg' of 'pg-1.5.4' and of 'pg-3f2c9ab01d54'.
std::string_view WithoutVersion(std::string_view gem) {
  const size_t dash = gem.rfind('-');
  if (dash == std::string_view::npos) return gem;
  for (size_t at = gem.find('-'); at != std::string_view::npos; at = gem.find('-', at + 1)) {
    if (BeginsWithDigit(gem.substr(at + 1))) return gem.substr(0, at);
  }
  return gem.substr(0, dash);
}

std::string NameAfterMarker(Language language, std::string_view rest) {
  switch (language) {
    case Language::kPython:
      return std::string(NextPart(&rest, ".py"));
    case Language::kRuby: {
      std::string_view name = NextPart(&rest, ".rb");
      if (BeginsWithDigit(name)) name = NextPart(&rest, ".rb");  // site_ruby/3.1.0/
      return std::string(WithoutVersion(name));
    }
    case Language::kPhp: {
      std::string name(NextPart(&rest, ".php"));
      if (rest.find('/') == std::string_view::npos || name == "composer") return name;
      return name + "/" + std::string(NextPart(&rest, ".php"));
    }
    default:
      // Modules of Perl have capitals; versions, architectures and 'lib' do not.
      while (!rest.empty()) {
        const std::string_view name = NextPart(&rest, ".pm");
        if (!name.empty() && std::isupper(static_cast<unsigned char>(name.front())) != 0)
          return std::string(name);
      }
      return {};
  }
}

}  // namespace

ScriptOrigin OriginOfScript(Language language, const std::string& file,
                            const std::vector<std::string>& more) {
  if (file.empty()) return ScriptOrigin::kStandard;
  const bool of_the_users = std::any_of(more.begin(), more.end(), [&](const std::string& glob) {
    return Matches(glob.c_str(), file);
  });
  if (of_the_users) return ScriptOrigin::kShunned;
  for (const Row& row : kRows) {
    if (row.language == language && Matches(row.glob, file)) return row.origin;
  }
  return ScriptOrigin::kOwn;
}

std::string PackageOfScript(Language language, std::string_view file) {
  size_t begin = 0;
  for (const Marker& marker : kMarkers) {
    if (marker.language != language) continue;
    const std::string_view text = marker.text;
    const size_t at = file.rfind(text);
    if (at != std::string_view::npos) begin = std::max(begin, at + text.size());
  }
  return begin == 0 ? std::string() : NameAfterMarker(language, file.substr(begin));
}

bool IsGoBetween(Language language, std::string_view package) {
  const std::string name(package);
  return std::any_of(std::begin(kGoBetweens), std::end(kGoBetweens),
                     [&](const Package& go_between) {
                       return go_between.language == language && Matches(go_between.name, name);
                     });
}

}  // namespace pqleash::reporter
