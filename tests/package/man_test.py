# SPDX-License-Identifier: Apache-2.0
#
# The pages say what the tool and the library do: neither more nor less.
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from tool import SOURCE, TOOL, commands, options_of, read

PAGES = ("pqleash.1", "pqleash.toml.5", "libpqleash.7")


def page(name):
    return read("packaging", "man", name)


def expected_in(text, key):
    """The first line about what a key takes after its item; items that share one stand together."""
    return re.search(rf"^\.It Va {re.escape(key)}(?: [^\n]*)?$.*?^Expected: ([^\n]*)\.$", text, re.MULTILINE | re.DOTALL)[1]


def sections(text, macro):
    parts = re.split(rf"^\.{macro} (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


class Man(unittest.TestCase):
    def test_groff_has_no_warning(self):
        for name in PAGES:
            words = ["man", "--warnings", "-l", os.path.join(SOURCE, "packaging", "man", name)]
            result = subprocess.run(words, env={**os.environ, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""), name)
            self.assertGreater(len(result.stdout), 1000, name)


@unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
class Mandoc(unittest.TestCase):
    def test_mandoc_has_no_warning(self):
        for name in PAGES:
            words = ["mandoc", "-Tlint", "-W", "warning", os.path.join(SOURCE, "packaging", "man", name)]
            result = subprocess.run(words, capture_output=True, text=True, check=False)
            self.assertEqual(result.stdout + result.stderr, "", name)


class Commands(unittest.TestCase):
    def setUp(self):
        description = sections(page("pqleash.1"), "Sh")["DESCRIPTION"]
        parts = sections(description, "Ss")
        self.common = self.options_in(parts.pop("Options of several commands"))
        self.described = {name.removeprefix("pqleash "): text for name, text in parts.items()}

    @staticmethod
    def options_in(text):
        items = "\n".join(line for line in text.splitlines() if line.startswith(".It "))
        return {"--" + name for name in re.findall(r"Fl -([a-z-]+)", items)}

    def test_each_command_is_described(self):
        self.assertEqual(set(self.described), set(commands()))

    def test_each_command_is_in_the_synopsis(self):
        synopsis = sections(page("pqleash.1"), "Sh")["SYNOPSIS"]
        for command in commands():
            self.assertRegex(synopsis, rf"\.Cm (.* )?{command}\b", command)

    def test_each_option_is_described(self):
        for command in commands():
            options = options_of(command)
            self.assertIn("--help", options, command)
            described = self.options_in(self.described[command])
            self.assertEqual(options - described - self.common, set(), f"of {command} the page lacks")
            self.assertEqual(described - options, set(), f"of {command} the page has, and the tool has not")

    def test_common_options_are_of_several_commands(self):
        for option in self.common:
            having = [command for command in commands() if option in options_of(command)]
            self.assertGreater(len(having), 2, option)

    def test_exit_codes(self):
        status = sections(page("pqleash.1"), "Sh")["EXIT STATUS"]
        self.assertEqual(re.findall(r"^\.It ([0-9 ,]+)$", status, re.MULTILINE), ["0", "1", "2", "3", "126 , 127"])

    def test_interface_of_c(self):
        functions = set(re.findall(r"(pqleash_\w+)\(", read("shim", "include", "pqleash.h")))
        self.assertEqual(set(re.findall(r"^\.It Fn (\w+)", page("libpqleash.7"), re.MULTILINE)), functions)


class Settings(unittest.TestCase):
    """pqleash.toml(5) against the tables that the library reads its configuration by."""

    def setUp(self):
        text = page("pqleash.toml.5")
        parts = sections(sections(text, "Sh")["DESCRIPTION"], "Ss")
        self.settings, self.policies = parts["Settings"], parts["Caps and paces"]
        self.directory = tempfile.TemporaryDirectory(prefix="pqleash-man.")
        self.addCleanup(self.directory.cleanup)

    def check(self, text):
        path = os.path.join(self.directory.name, "x.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        result = subprocess.run([TOOL, "check", "--no-environment", path], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr

    def expected_for(self, text):
        code, said = self.check(text)
        self.assertEqual(code, 3, said)
        return said

    def test_keys_and_variables(self):
        table = re.search(r"kSettings\[\] = \{\n(.*?)\n\};", read("shim", "config", "config.cc"), re.DOTALL)[1]
        rows = re.findall(r'^    \{"([a-z_.]+)", (nullptr|"[A-Z_]+")', table, re.MULTILINE)
        self.assertGreater(len(rows), 10)
        described = re.findall(r"^\.It Va (\S+)(?: , Ev (\S+))?$", self.settings, re.MULTILINE)
        self.assertEqual(described, [(key, "" if name == "nullptr" else name.strip('"')) for key, name in rows])

    def test_ranges(self):
        for key in re.findall(r"^\.It Va (\S+)", self.settings, re.MULTILINE):
            said = self.expected_for(f"{key} = ''\n")
            expected = re.search(r"expected (.+?); using (.+)$", said, re.MULTILINE)
            self.assertIsNotNone(expected, said)
            self.assertEqual(expected_in(self.settings, key), expected[1], key)

    def test_keys_of_caps_and_paces(self):
        table = re.search(r"kKeys\[\] = \{\n(.*?)\n\};", read("shim", "config", "policies.cc"), re.DOTALL)[1]
        keys = set(re.findall(r'^    \{"([a-z_]+)",', table, re.MULTILINE))
        self.assertEqual(set(re.findall(r"^\.It Va (\S+)$", self.policies, re.MULTILINE)), keys)

    def test_ranges_of_caps_and_paces(self):
        for key in re.findall(r"^\.It Va (\S+)$", self.policies, re.MULTILINE):
            of_pace = key in ("rate", "burst", "on_server_full")
            kind, rest = ("pace", 'rate = "1/s"\n') if of_pace else ("cap", "limit = 1\n")
            rest += 'name = "x"\non_limit = "wait"\n'
            rest = "".join(line + "\n" for line in rest.splitlines() if not line.startswith(key + " "))
            said = re.sub(r"\s+", " ", self.expected_for(f"[[{kind}]]\n{rest}{key} = ''\n"))
            expected = re.search(r"'' is no value for \w+ of [^:]+: expected (.+?)(?: x\.toml|$| \S*\.toml)", said)
            self.assertIsNotNone(expected, said)
            self.assertEqual(expected_in(self.policies, key), expected[1].strip().rstrip("."), key)

    def test_defaults(self):
        """As the log's first line has them, in a process that nothing is configured for."""
        library = os.environ["PQLEASH_TEST_LIBRARY"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PQLEASH_", "PG"))}
        environment |= {"LD_PRELOAD": library, "PQLEASH_LOG": "stderr", "PQLEASH_DIR": self.directory.name + "/ledgers"}
        words = ["psql", "-XAt", "host=/nonexistent", "-c", ""]
        said = subprocess.run(words, env=environment, capture_output=True, text=True, check=False).stderr
        items = re.split(r"^\.It ", self.settings, flags=re.MULTILINE)[1:]
        for item in items:
            key = item.split()[1]
            default = re.search(r"Default:\n\.Ql (\S+)", item)
            if key in ("dir", "log") or default is None:
                continue
            self.assertRegex(said, rf"\b{re.escape(key)}[ =]+\"?{re.escape(default[1])}\b", f"{key} of:\n{said}")

    def test_example(self):
        example = re.search(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page("pqleash.toml.5"), re.DOTALL | re.MULTILINE)[1]
        code, said = self.check(example)
        self.assertEqual((code, "no problem" in said), (0, True), said)


if __name__ == "__main__":
    unittest.main()
