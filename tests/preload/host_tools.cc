// SPDX-License-Identifier: Apache-2.0
//
// The hosts of the table that are not ours: other preloaded libraries beside us, interpreters, and
// tools that start programs.

#include "tests/preload/host_tools.h"

#include <map>

namespace pqleash::testing {

namespace {

using Words = std::vector<std::string>;

#define PQLEASH_TEST_LIBS "/usr/lib/x86_64-linux-gnu/"

struct OtherPreload {
  const char* name;
  const char* path;
  std::map<std::string, std::string> environment = {};
  int opened = 2;
};

const std::vector<OtherPreload>& OtherPreloads() {
  static const std::vector<OtherPreload> kLibraries = {
      {"jemalloc", PQLEASH_TEST_LIBS "libjemalloc.so.2"},
      {"tcmalloc", PQLEASH_TEST_LIBS "libtcmalloc_minimal.so.4"},
      {"tbbmalloc", PQLEASH_TEST_LIBS "libtbbmalloc_proxy.so.2"},
      {"malloc_debug",
       PQLEASH_TEST_LIBS "libc_malloc_debug.so.0",
       {{"GLIBC_TUNABLES", "glibc.malloc.check=3"}}},
      {"hugetlbfs", PQLEASH_TEST_LIBS "libhugetlbfs.so.0"},
      {"faketime", PQLEASH_TEST_LIBS "faketime/libfaketime.so.1", {{"FAKETIME", "-30d"}}},
      {"faketimeMT", PQLEASH_TEST_LIBS "faketime/libfaketimeMT.so.1", {{"FAKETIME", "+3d x5"}}},
      {"datefudge", PQLEASH_TEST_LIBS "datefudge/datefudge.so", {{"DATEFUDGE", "86400"}}},
      {"eatmydata", PQLEASH_TEST_LIBS "libeatmydata.so"},
      {"fakechroot", PQLEASH_TEST_LIBS "fakechroot/libfakechroot.so"},
      {"torsocks", PQLEASH_TEST_LIBS "torsocks/libtorsocks.so"},
      {"proxychains",
       PQLEASH_TEST_LIBS "libproxychains.so.4",
       {{"PROXYCHAINS_CONF_FILE", PQLEASH_TEST_PROXYCHAINS_CONF}}},
      {"tsocks", PQLEASH_TEST_LIBS "libtsocks.so"},
      {"keepalive", "/usr/lib/libkeepalive.so"},
      {"authbind", "/usr/lib/authbind/libauthbind.so.1"},
      {"fiu", "/usr/lib/fiu/fiu_posix_preload.so"},
      {"lttng_fork", PQLEASH_TEST_LIBS "liblttng-ust-fork.so.1"},
      {"lttng_fd", PQLEASH_TEST_LIBS "liblttng-ust-fd.so.1"},
      {"lttng_libc", PQLEASH_TEST_LIBS "liblttng-ust-libc-wrapper.so.1"},
      {"lttng_pthread", PQLEASH_TEST_LIBS "liblttng-ust-pthread-wrapper.so.1"},
      {"lttng_dl", PQLEASH_TEST_LIBS "liblttng-ust-dl.so.1"},
      {"nss_wrapper", PQLEASH_TEST_LIBS "libnss_wrapper.so"},
      {"uid_wrapper",
       PQLEASH_TEST_LIBS "libuid_wrapper.so",
       {{"UID_WRAPPER", "1"}, {"UID_WRAPPER_ROOT", "1"}},
       kAny},
      {"socket_wrapper", PQLEASH_TEST_LIBS "libsocket_wrapper.so", {{"SOCKET_WRAPPER_DIR", "@"}}},
      {"resolv_wrapper", PQLEASH_TEST_LIBS "libresolv_wrapper.so"},
      {"umockdev", PQLEASH_TEST_LIBS "libumockdev-preload.so.0"},
      {"gtk3_nocsd", PQLEASH_TEST_LIBS "libgtk3-nocsd.so.0"},
      {"pcprofile", PQLEASH_TEST_LIBS "libpcprofile.so"},
      {"heaptrack",
       "/usr/lib/heaptrack/libheaptrack_preload.so",
       // It locks the file.
       {{"DUMP_HEAPTRACK_OUTPUT", "@/heaptrack"}}},
  };
  return kLibraries;
}

void AddPreloads(std::vector<Host>* hosts) {
  for (const OtherPreload& other : OtherPreloads()) {
    const auto add = [&](const char* order, Words before, Words after) {
      hosts->push_back({std::string("basic ") + order + " " + other.name,
                        other.opened,
                        other.environment,
                        false,
                        {"basic"},
                        std::move(before),
                        std::move(after)});
    };
    add("after", {other.path}, {});
    add("before", {}, {other.path});
  }
  // A sanitizer's runtime insists on being first.
  hosts->push_back({"basic after asan",
                    2,
                    {{"ASAN_OPTIONS", "detect_leaks=0"}},
                    false,
                    {"basic"},
                    {PQLEASH_TEST_LIBS "libasan.so.8"}});
  hosts->push_back(
      {"basic among many",
       2,
       {{"FAKETIME", "-1d"}},
       false,
       {"basic"},
       {PQLEASH_TEST_LIBS "libeatmydata.so", PQLEASH_TEST_LIBS "libnss_wrapper.so"},
       {PQLEASH_TEST_LIBS "faketime/libfaketime.so.1", PQLEASH_TEST_LIBS "liblttng-ust-fork.so.1",
        PQLEASH_TEST_LIBS "libtcmalloc_minimal.so.4"}});
  // Allocators under many threads. mimalloc's first allocation changes errno, which other programs
  // print.
  for (const auto& [name, path] :
       {std::pair("jemalloc", PQLEASH_TEST_LIBS "libjemalloc.so.2"),
        std::pair("tcmalloc", PQLEASH_TEST_LIBS "libtcmalloc_minimal.so.4"),
        std::pair("mimalloc", PQLEASH_TEST_LIBS "libmimalloc.so.2.0")}) {
    const Words words = {"threading", "many_threads"};
    hosts->push_back(
        {std::string("threading many_threads after ") + name, 900, {}, false, words, {path}});
    hosts->push_back(
        {std::string("threading many_threads before ") + name, 900, {}, false, words, {}, {path}});
  }
}

constexpr char kPythonConnects[] =
    "import ctypes\n"
    "l = ctypes.CDLL('libpq.so.5')\n"
    "l.PQconnectdb.restype = ctypes.c_void_p\n"
    "for f in (l.PQstatus, l.PQfinish): f.argtypes = [ctypes.c_void_p]\n"
    "c = l.PQconnectdb(b'')\n"
    "print(l.PQstatus(c))\n"
    "l.PQfinish(c)\n";

void AddInterpreters(std::vector<Host>* hosts) {
  const auto add = [&](const char* name, int opened, Words words) {
    hosts->push_back({name, opened, {}, false, std::move(words)});
  };
  const std::string python = kPythonConnects;
  add("python3 isolated", 1, {"/usr/bin/python3", "-I", "-c", python});
  add("python3 development", 1, {"/usr/bin/python3", "-X", "dev", "-c", python});
  add("python3 faulthandler", 1,
      {"/usr/bin/python3", "-X", "faulthandler", "-c",
       python + "import os, sys\nsys.stdout.flush(); os.dup2(os.open('/dev/null', os.O_WRONLY), "
                "2); os.abort()"});
  add("python3 fork", 2,
      {"/usr/bin/python3", "-c",
       python + "import os, sys\nsys.stdout.flush()\np = os.fork()\nif p: os.waitpid(p, 0)\nelse: "
                "l.PQfinish(l.PQconnectdb(b''))"});
  add("python3 subprocess", 1,
      {"/usr/bin/python3", "-c",
       python + "import subprocess\nprint(subprocess.run(['/bin/echo', 'x'], close_fds=True, "
                "stdout=subprocess.PIPE).stdout)"});
  add("python3 threads", 1,
      {"/usr/bin/python3", "-c",
       "import threading\ndef w():\n exec(" + std::string("'''") + python +
           "''', {})\nt = threading.Thread(target=w); t.start(); t.join()"});
  add("python3 next", kAny,
      {"/usr/bin/python3", "-c",
       "import ctypes\np = ctypes.CDLL(None)\nprint(hasattr(p, 'PQnone'), hasattr(p, 'strlen'))"});
  add("ruby fiddle", 1,
      {"/usr/bin/ruby", "-rfiddle", "-e",
       "l = Fiddle.dlopen('libpq.so.5'); f = ->(n, a, r) { Fiddle::Function.new(l[n], a, r) }; v = "
       "Fiddle::TYPE_VOIDP; c = f['PQconnectdb', [v], v].call(''); puts f['PQstatus', [v], "
       "Fiddle::TYPE_INT].call(c); f['PQfinish', [v], Fiddle::TYPE_VOID].call(c)"});
  add("ruby fork", kNoLedger,
      {"/usr/bin/ruby", "-e", "fork { exit!(3) }; Process.wait; puts $?.exitstatus"});
  add("perl taint", kNoLedger, {"/usr/bin/perl", "-T", "-e", "print qq(tainted ${^TAINT}\\n)"});
  add("perl title", kNoLedger,
      {"/usr/bin/perl", "-e", "$0 = 'x' x 300; print length($0), qq(\\n)"});
  add("php", kNoLedger, {"/usr/bin/php", "-n", "-r", "echo PHP_OS, strlen('abc'), \"\\n\";"});
  add("node", kNoLedger, {"/usr/bin/node", "-e", "console.log([1, 2].map(x => x * 2).join())"});
  add("node workers", kNoLedger,
      {"/usr/bin/node", "-e",
       "const w = require('worker_threads'); new w.Worker('1', {eval: true}).on('exit', c => "
       "console.log(c))"});
  add("java", kNoLedger, {"/usr/bin/java", "-Xshare:auto", "-XX:+UseSerialGC", "-version"});
  add("go", kNoLedger, {"/usr/bin/go", "env", "GOOS"});
  add("lua", kNoLedger, {"/usr/bin/lua", "-e", "print(#'abc')"});
  add("chromium", kNoLedger, {"/usr/lib/chromium/chromium", "--version"});
  add("rust", 2, {"@/rust"});
}

// Tools of the system that start programs, or are started everywhere.
void AddTools(std::vector<Host>* hosts) {
  const auto add = [&](const char* name, int opened, Words words, bool root = false) {
    hosts->push_back({name, opened, {}, root, std::move(words)});
  };
  add("stdbuf", 2, {"/usr/bin/stdbuf", "-o0", "@/basic"});
  add("env -i", kNoLedger, {"/usr/bin/env", "-i", "/bin/echo", "empty"});
  add("timeout", 2, {"/usr/bin/timeout", "30", "@/basic"});
  add("nohup", 2, {"/usr/bin/nohup", "@/basic"});
  add("nice", 2, {"/usr/bin/nice", "-n", "5", "@/basic"});
  add("setsid", 2, {"/usr/bin/setsid", "--wait", "@/basic"});
  add("setarch -R", 2, {"/usr/bin/setarch", "-R", "@/basic"});
  add("setarch -3", kAny, {"/usr/bin/setarch", "-3", "@/basic"});
  add("prlimit", 2, {"/usr/bin/prlimit", "--nofile=64", "@/basic"});
  add("unshare", 2, {"/usr/bin/unshare", "--mount", "--ipc", "@/basic"}, true);
  add("unshare time", 2, {"/usr/bin/unshare", "--time", "--boottime", "86400", "@/basic"}, true);
  add("setpriv", kAny,
      {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/echo", "x"},
      true);
  add("su", kNoLedger, {"/bin/su", "nobody", "-s", "/bin/sh", "-c", "echo as nobody"}, true);
  add("chroot", kNoLedger, {"/usr/sbin/chroot", "/", "/bin/echo", "in the root"}, true);
  add("fakeroot", 2, {"/usr/bin/fakeroot", "@/basic"});
  add("sh pipes", kNoLedger, {"/bin/sh", "-c", "echo a b | tr ' ' '\\n' | sort -r | head -n 1"});
  add("bash", kNoLedger, {"/bin/bash", "-c", "x=$(echo sub); ( exit 3 ); echo $x $?"});
  add("xargs", kNoLedger, {"/bin/sh", "-c", "seq 5 | xargs -n 1 -P 2 true; echo $?"});
  add("tar", kNoLedger, {"/bin/sh", "-c", "echo x >a; tar cf t a; tar tf t; rm -f t"});
  add("git", kNoLedger, {"/usr/bin/git", "hash-object", "/dev/null"});
  add("openssl", kNoLedger, {"/usr/bin/openssl", "dgst", "-sha256", "/dev/null"});
  add("file", kNoLedger, {"/usr/bin/file", "-b", "/dev/null"});
  add("ssh", kNoLedger, {"/usr/bin/ssh", "-V"});
  add("systemd", kNoLedger, {"/usr/bin/systemd-detect-virt", "--list"});
  add("strace", kAny, {"/usr/bin/strace", "-f", "-qq", "-e", "trace=none", "@/basic"});
}

}  // namespace

void AddHostTools(std::vector<Host>* hosts) {
  AddPreloads(hosts);
  AddInterpreters(hosts);
  AddTools(hosts);
}

}  // namespace pqleash::testing
