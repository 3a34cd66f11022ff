# SPDX-License-Identifier: Apache-2.0
#
# What the tests of packages, pages and completions ask the tool.
import os
import re
import subprocess

TOOL = os.environ["PQLEASH_TEST_TOOL"]
SOURCE = os.environ["PQLEASH_TEST_SOURCE"]
CHANGES = ("caps set", "caps add", "caps reset")


def output_of(words, **keywords):
    """stdout of a program that must succeed."""
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False, **keywords)
    if result.returncode != 0:
        raise AssertionError(f"{words} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return result.stdout


def commands():
    usage = output_of([TOOL, "--help"])
    listed = usage.split("Commands:\n", 1)[1].split("\n\n", 1)[0]
    names = re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE)
    return [*names, *(CHANGES if "caps" in names else ())]


def options_of(command):
    text = output_of([TOOL, *command.split(), "--help"])
    return set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", text, re.MULTILINE))


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as file:
        return file.read()
