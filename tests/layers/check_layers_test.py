# SPDX-License-Identifier: Apache-2.0
"""scripts/check-layers on this tree, and on small trees with one fault each."""
import os
import subprocess
import sys
import tempfile
import unittest

SCRIPT = sys.argv.pop(1)


def run(*arguments):
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False)


class CheckLayers(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.tree = directory.name

    def write(self, path, *included):
        path = os.path.join(self.tree, "reporter", path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#include <string>\n")
            file.writelines(f'#include "reporter/{name}"\n' for name in included)

    def test_this_tree_is_in_order(self):
        result = run()
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_downwards_is_allowed(self):
        self.write("findings/finding.h", "words/duration.h", "findings/severity.h")
        result = run("--tree", self.tree)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("1 arrows", result.stdout)

    def test_upwards_is_named_with_file_and_line(self):
        self.write("findings/finding.cc", "findings/finding.h", "render/layout.h")
        result = run("--tree", self.tree)
        self.assertEqual(result.returncode, 1)
        self.assertIn("reporter/findings/finding.cc:3: findings includes render", result.stdout)

    def test_the_command_line_is_the_top(self):
        self.write("serve/observer.cc", "commands/command.h")
        result = run("--tree", self.tree)
        self.assertEqual(result.returncode, 1)
        self.assertIn("serve includes commands", result.stdout)

    def test_a_room_that_is_not_in_the_list(self):
        self.write("attic/box.h", "words/duration.h")
        result = run("--tree", self.tree)
        self.assertEqual(result.returncode, 1)
        self.assertIn("room attic is not in reporter/layers.txt", result.stdout)

    def test_a_tree_without_rooms_is_no_success(self):
        self.assertNotEqual(run("--tree", self.tree).returncode, 0)

    def test_the_graph(self):
        self.write("top/model.cc", "render/layout.h", "words/duration.h", "render/text.h")
        result = run("--graph", "--tree", self.tree)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.split(), ["top:", "render", "2,", "words", "1"])


unittest.main()
