# SPDX-License-Identifier: Apache-2.0
#
# What the shells offer is what the tool takes.
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from tool import SOURCE, TOOL, commands, options_of, output_of, read

COMPLETIONS = os.path.join(SOURCE, "packaging", "completions")
FIRST = [command for command in commands() if " " not in command]


def in_bash(*words):
    """The candidates for the last of the words."""
    script = """
      source "$1"; shift
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
      _pqleash 2>&1
      printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = os.path.join(COMPLETIONS, "pqleash.bash")
    return set(output_of(["bash", "--norc", "-c", script, "bash", path, "pqleash", *words]).split())


def in_fish(text):
    script = f"source {COMPLETIONS}/pqleash.fish; complete -C '{text}'"
    with tempfile.TemporaryDirectory(prefix="pqleash-fish.") as home:
        said = output_of(["fish", "--no-config", "-c", script], env={**os.environ, "HOME": home, "XDG_DATA_HOME": home})
    return {line.split("\t")[0] for line in said.splitlines()}


class Bash(unittest.TestCase):
    def test_commands(self):
        self.assertEqual(in_bash(""), {*FIRST, "--help", "--version"})
        self.assertEqual(in_bash("rep"), {"report"})

    def test_options(self):
        for command in commands():
            self.assertEqual(in_bash(*command.split(), "--"), options_of(command), command)

    def test_caps(self):
        self.assertEqual(in_bash("caps", ""), {"set", "add", "reset", "list"})
        self.assertIn("--limit", in_bash("caps", "set", "name", "--l"))

    def test_values_are_taken(self):
        """The tool takes each word that is offered for an option; with --help last nothing is done."""
        tried = 0
        for command in commands():
            for option in options_of(command):
                words = in_bash(*command.split(), option, "")
                if not re.match(r"^--(format|fail-on|on-limit|scope|kinds|async)", option):
                    continue
                self.assertNotEqual(words, set(), f"{command} {option}")
                for word in words:
                    result = subprocess.run([TOOL, *command.split(), option, word, "--help"], capture_output=True, text=True, check=False)
                    self.assertEqual(result.returncode, 0, f"{command} {option} {word}: {result.stderr}")
                    tried += 1
        self.assertGreater(tried, 30)

    def test_wrong_value_is_refused_with_help(self):
        """That the test above can fail."""
        result = subprocess.run([TOOL, "ps", "--format", "x", "--help"], capture_output=True, text=True, check=False)
        self.assertNotEqual(result.returncode, 0)

    def test_options_without_a_value_are_not_waited_for(self):
        for command in commands():
            text = output_of([TOOL, *command.split(), "--help"])
            flags = re.findall(r"^  (--[a-z-]+) {2,}", text, re.MULTILINE)
            for flag in flags:
                self.assertEqual(in_bash(*command.split(), flag, "--"), options_of(command), f"{command} {flag}")

    def test_files(self):
        with tempfile.TemporaryDirectory(prefix="pqleash-bash.") as directory:
            path = os.path.join(directory, "saved.json")
            with open(path, "w", encoding="utf-8"):
                pass
            self.assertEqual(in_bash("report", os.path.join(directory, "sa")), {path})
            self.assertEqual(in_bash("audit", "--baseline", os.path.join(directory, "sa")), {path})


@unittest.skipUnless(shutil.which("fish"), "fish is not installed")
class Fish(unittest.TestCase):
    def test_commands(self):
        self.assertEqual(in_fish("pqleash "), set(FIRST))

    def test_options(self):
        for command in commands():
            offered = {word.rstrip("=") for word in in_fish(f"pqleash {command} --")}
            self.assertEqual(offered, options_of(command), command)

    def test_values(self):
        self.assertEqual(in_fish("pqleash audit --format "), {"text", "json", "junit", "sarif"})
        self.assertEqual(in_fish("pqleash caps "), {"set", "add", "reset", "list"})


class Zsh(unittest.TestCase):
    """Its options from the text: zsh completes on a terminal alone."""

    def setUp(self):
        self.text = read("packaging", "completions", "_pqleash")

    def arrays(self):
        found = {}
        for name, body in re.findall(r"^  (\w+)=\((.*?)\)$", self.text, re.MULTILINE | re.DOTALL):
            found[name] = set(re.findall(r"""["'(*]?(--[a-z-]+)""", body))
        return found

    def test_commands(self):
        listed = re.search(r"commands=\((.*?)\n  \)", self.text, re.DOTALL)[1]
        self.assertEqual(re.findall(r"'([a-z]+):", listed), FIRST)

    def test_options(self):
        arrays = self.arrays()
        cases = re.findall(r"^    ([a-z]+|'caps [a-z]+')\)(.*?);;$", self.text, re.MULTILINE | re.DOTALL)
        self.assertEqual({name.strip("'") for name, _ in cases}, set(commands()))
        for name, body in cases:
            options = {"--help"} | set(re.findall(r"""'\*?(--[a-z-]+)(?:=-)?\[""", body))
            for array in re.findall(r"\$(\w+)", body):
                options |= arrays[array]
            self.assertEqual(options, options_of(name.strip("'")), name)

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_syntax(self):
        output_of(["zsh", "-n", os.path.join(COMPLETIONS, "_pqleash")])


if __name__ == "__main__":
    unittest.main()
