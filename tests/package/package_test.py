# SPDX-License-Identifier: Apache-2.0
#
# The Debian package: built with cpack from this build tree, installed into an empty root with a dpkg database of its
# own, used from there, and removed again.
import glob
import os
import re
import shutil
import stat
import subprocess
import tempfile
import textwrap
import unittest

from tool import SOURCE, TOOL, output_of

BUILD = os.environ["PQLEASH_TEST_BUILD"]
LIBDIR = os.environ["PQLEASH_TEST_LIBDIR"]
CMAKE = os.environ["PQLEASH_TEST_CMAKE"]
VERSION = output_of([TOOL, "--version"]).split()[1]
# What systemd-sysusers makes of the account, which outlives the package as Debian's accounts do.
ACCOUNTS = {"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/.pwd.lock"}
ACCOUNTS |= {name + "-" for name in ACCOUNTS}

PROGRAM = """
    #include <libpq-fe.h>
    #include <pqleash.h>
    #include <stdio.h>

    int main(void) {
      PGconn* connection = PQconnectdb("host=/nonexistent");
      const struct pg_conn* opened[1];
      printf("%s %zu\\n", pqleash_version(), pqleash_opened_since(0, opened, 1));
      int same = opened[0] == connection;
      PQfinish(connection);
      printf("%d %zu\\n", same, pqleash_opened_since(0, NULL, 0));
      return 0;
    }
    """

PROJECT = """
    cmake_minimum_required(VERSION 3.25)
    project(program C)
    find_package(pqleash @VERSION@ REQUIRED)
    find_package(PostgreSQL REQUIRED)
    add_executable(program program.c)
    target_link_libraries(program PRIVATE PostgreSQL::PostgreSQL pqleash::pqleash)
    """


def build_package(directory, umask=-1):
    """Returns its path. -1: this process's umask. cpack works beside the build tree's own packages, which stay as they are."""
    words = [os.path.join(os.path.dirname(CMAKE), "cpack"), "--config", os.path.join(BUILD, "CPackConfig.cmake")]
    words += ["-D", "CPACK_PACKAGE_DIRECTORY=" + directory, "-D", "CPACK_OUTPUT_FILE_PREFIX=" + directory]
    output_of(words, cwd=directory, umask=umask)
    return os.path.join(directory, f"pqleash_{VERSION}_amd64.deb")


def files_in(root):
    """All but directories, relative to the root; with their types and contents for none."""
    found = set()
    for directory, _, names in os.walk(root):
        found |= {os.path.relpath(os.path.join(directory, name), root) for name in names}
    return found


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="pqleash-package.")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.deb = build_package(cls.directory)
        cls.root = os.path.join(cls.directory, "root")
        cls.database = os.path.join(cls.directory, "database")
        os.makedirs(os.path.join(cls.database, "info"))
        os.makedirs(os.path.join(cls.database, "updates"))
        os.makedirs(os.path.join(cls.root, "etc"))
        for name in ("status", "available"):
            with open(os.path.join(cls.database, name), "w", encoding="utf-8"):
                pass
        cls.dpkg("--install", cls.deb)

    @classmethod
    def dpkg(cls, *words):
        # The root is empty: what the package depends on is this system's, and scripts run here, with DPKG_ROOT set.
        options = ["--instdir=" + cls.root, "--admindir=" + cls.database, "--force-depends", "--force-script-chrootless"]
        options += ["--force-not-root", "--log=/dev/null", "--no-triggers"]
        return output_of(["dpkg", *options, *words])

    def at(self, *path):
        return os.path.join(self.root, "usr", *path)

    # Runs first, and each of the others in the root as it was installed; what removes it is the last.
    def test_0_layout(self):
        there = {path for path in files_in(self.root) if path not in ACCOUNTS}
        for path in (
            "bin/pqleash", f"{LIBDIR}/libpqleash.so", "include/pqleash.h", f"{LIBDIR}/pkgconfig/pqleash.pc",
            f"{LIBDIR}/cmake/pqleash/pqleashConfig.cmake", "share/man/man1/pqleash.1.gz",
            "share/man/man5/pqleash.toml.5.gz", "share/man/man7/libpqleash.7.gz",
            "share/bash-completion/completions/pqleash", "share/zsh/vendor-completions/_pqleash",
            "share/fish/vendor_completions.d/pqleash.fish", "share/doc/pqleash/README.md",
            "share/pqleash/schemas/report.schema.json", "share/doc/pqleash/CHANGELOG.md", "share/doc/pqleash/copyright", "lib/systemd/system/pqleash.service",
            "lib/sysusers.d/pqleash.conf", "lib/tmpfiles.d/pqleash.conf",
        ):
            self.assertIn("usr/" + path, there)
        examples = {path.removeprefix("usr/share/doc/pqleash/examples/") for path in there if "/examples/" in path}
        sources = files_in(os.path.join(SOURCE, "examples"))
        self.assertEqual(examples, {path for path in sources if "__pycache__" not in path})
        self.assertEqual({path.split("/")[0] for path in there}, {"usr"})

    def test_1_modes(self):
        for path in files_in(self.root) - ACCOUNTS:
            mode = os.lstat(os.path.join(self.root, path)).st_mode
            if stat.S_ISLNK(mode):
                self.assertTrue(path.startswith("usr/lib/pqleash/"), path)
                continue
            self.assertEqual(stat.S_IMODE(mode), 0o755 if path == "usr/bin/pqleash" else 0o644, path)

    def test_1_directory_that_preloading_leads_through(self):
        library = self.at(LIBDIR, "libpqleash.so")
        for name in ("lib64", "lib", "lib/x86_64-linux-gnu", "."):
            self.assertTrue(os.path.samefile(self.at("lib/pqleash", name, "libpqleash.so"), library), name)
        for name in ("lib32", "lib/i386-linux-gnu"):
            header = output_of(["readelf", "--file-header", self.at("lib/pqleash", name, "libpqleash.so")])
            self.assertIn("ELF32", header)
        # The tool finds both, wherever the tree lies.
        value = output_of([self.at("bin/pqleash"), "run", "--dir", os.path.join(self.directory, "none"), "--", "printenv", "LD_PRELOAD"])
        self.assertEqual(value.split(":")[0], self.at("lib/pqleash/$LIB/libpqleash.so") + ("" if ":" in value else "\n"))

    def test_1_control(self):
        fields = output_of(["dpkg-deb", "--field", self.deb])
        self.assertIn(f"Version: {VERSION}\n", fields)
        depends = re.search(r"^Depends: (.*)$", fields, re.MULTILINE)[1]
        for library in ("libc6", "libpq5", "libdw1", "libelf1"):
            # Since Debian 13 'libelf1t64', whose time_t has 64 bits on all machines.
            self.assertRegex(depends, rf"\b{library}(t64)? \(>= ")
        for name in re.findall(r"(?:^|, )(\S+)", depends):
            self.assertIn("installed", output_of(["dpkg-query", "-W", "-f", "${db:Status-Status}", name]))

    def test_1_service_is_neither_enabled_nor_started(self):
        self.assertEqual([path for path in files_in(self.root) if ".wants/" in path], [])
        for name in ("preinst", "postinst"):
            path = os.path.join(self.database, "info", f"pqleash.{name}")
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    script = "".join(line for line in file if not line.lstrip().startswith("#"))
                self.assertNotRegex(script, r"systemctl|deb-systemd|invoke-rc")

    @unittest.skipUnless(shutil.which("systemd-sysusers"), "systemd is not installed")
    def test_1_account(self):
        with open(os.path.join(self.root, "etc/passwd"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"(?m)^pqleash:x:\d+:\d+:pqleash serve:/:/usr/sbin/nologin$")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_1_unit(self):
        # In the file system of this system, with the tool where the unit finds it.
        words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", self.at("lib/systemd/system/pqleash.service")]
        result = subprocess.run(words, capture_output=True, text=True, check=False)
        said = [line for line in result.stderr.splitlines() if "Command pqleash is not executable" not in line]
        self.assertEqual(said, [], "what systemd-analyze says of the unit")

    def test_1_runs(self):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PQLEASH_", "LD_"))}
        self.assertEqual(output_of([self.at("bin/pqleash"), "--version"], env=environment), f"pqleash {VERSION}\n")
        # The library is found beside the tool, and works.
        environment["PQLEASH_DIR"] = os.path.join(self.directory, "ledgers")
        said = output_of([self.at("bin/pqleash"), "doctor"], env=environment)
        self.assertIn(self.at(LIBDIR, "libpqleash.so"), said)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "takes root, who gives capabilities away")
    def test_1_capabilities_of_the_unit_show_all_users(self):
        with open(self.at("lib/systemd/system/pqleash.service"), encoding="utf-8") as file:
            granted = re.search(r"^AmbientCapabilities=(.*)$", file.read(), re.MULTILINE)[1]
        names = ",".join("+" + name.removeprefix("CAP_").lower() for name in granted.split())
        os.chmod(self.directory, 0o755)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PQLEASH_", "PG"))}
        preloaded = {**environment, "LD_PRELOAD": self.at("lib/pqleash/$LIB/libpqleash.so"), "PQLEASH_SERVICE": "recorded-as-root"}
        process = subprocess.Popen(["psql", "-XAt", "host=/nonexistent", "-c", ""], env=preloaded, stderr=subprocess.DEVNULL)
        process.wait(60)
        try:
            nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            granted_too = ["--inh-caps=" + names, "--ambient-caps=" + names]
            row = rf"(?m)^\s*{process.pid}\s+recorded-as-root"
            for words, shown in (([*nobody, *granted_too], True), (nobody, False)):
                # The exit code is about others' ledgers, too.
                words = [*words, self.at("bin/pqleash"), "ps", "--all"]
                said = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
                self.assertEqual(re.search(row, said.stdout) is not None, shown, said.stdout + said.stderr)
        finally:
            for path in glob.glob(f"/dev/shm/pqleash-0/{process.pid}-*.ledger"):
                os.remove(path)

    def compiled(self, name):
        directory = os.path.join(self.directory, name)
        os.makedirs(directory)
        for file_name, text in (("program.c", PROGRAM), ("CMakeLists.txt", PROJECT.replace("@VERSION@", VERSION))):
            with open(os.path.join(directory, file_name), "w", encoding="utf-8") as file:
                file.write(textwrap.dedent(text))
        return directory

    def check_program(self, program):
        needed = output_of(["readelf", "--dynamic", program])
        self.assertLess(needed.index("[libpqleash.so]"), needed.index("[libpq.so.5]"))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PQLEASH_")}
        environment |= {"LD_LIBRARY_PATH": self.at(LIBDIR), "PQLEASH_DIR": os.path.join(self.directory, "ledgers")}
        self.assertEqual(output_of([program], env=environment), f"{VERSION} 1\n1 0\n")

    def test_1_pkg_config(self):
        directory = self.compiled("with-pkg-config")
        environment = {**os.environ, "PKG_CONFIG_PATH": self.at(LIBDIR, "pkgconfig")}
        flags = output_of(["pkg-config", "--cflags", "--libs", "pqleash"], env=environment).split()
        program = os.path.join(directory, "program")
        output_of(["cc", "-Wl,--as-needed", "-o", program, os.path.join(directory, "program.c"), *flags, "-I" + output_of(["pg_config", "--includedir"]).strip()])
        self.check_program(program)
        self.assertEqual(output_of(["pkg-config", "--modversion", "pqleash"], env=environment), VERSION + "\n")

    def test_1_cmake(self):
        directory = self.compiled("with-cmake")
        build = os.path.join(directory, "build")
        output_of([CMAKE, "-S", directory, "-B", build, "-DCMAKE_PREFIX_PATH=" + self.at(), "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--as-needed"])
        output_of([CMAKE, "--build", build])
        self.check_program(os.path.join(build, "program"))

    def built_again(self, name, umask=-1):
        directory = os.path.join(self.directory, name)
        os.makedirs(directory)
        return build_package(directory, umask)

    def test_1_same_sources_make_the_same_package(self):
        with open(self.built_again("second"), "rb") as file, open(self.deb, "rb") as first:
            self.assertTrue(file.read() == first.read(), "two runs of cpack differ: see `diffoscope`")

    def test_1_umask_is_not_in_the_package(self):
        other = self.built_again("private", umask=0o077)
        # But for the modes in the archive of archives, which cpack takes from it and dpkg does not look at.
        for member in ("control.tar.gz", "data.tar.gz"):
            contents = [subprocess.run(["ar", "p", deb, member], capture_output=True, check=True).stdout for deb in (self.deb, other)]
            self.assertGreater(len(contents[0]), 100)
            self.assertTrue(contents[0] == contents[1], member)

    def test_9_removed_without_a_trace(self):
        self.dpkg("--purge", "pqleash")
        self.assertEqual(files_in(self.root) - ACCOUNTS, set())
        self.assertEqual(glob.glob(os.path.join(self.database, "info", "pqleash*")), [])
        # Directories, too.
        self.assertEqual(sorted(set(os.listdir(self.root)) - {"etc"}), [])


@unittest.skipUnless(shutil.which("lintian"), "lintian is not installed")
class Lintian(unittest.TestCase):
    def test_says_nothing(self):
        with tempfile.TemporaryDirectory(prefix="pqleash-package.") as directory:
            deb = build_package(directory)
            # It leaves files where it works.
            with tempfile.TemporaryDirectory() as directory:
                said = output_of(["lintian", "--allow-root", "--fail-on", "error,warning", deb],
                                 env={**os.environ, "TMPDIR": directory})
            self.assertEqual(said, "")


if __name__ == "__main__":
    unittest.main()
