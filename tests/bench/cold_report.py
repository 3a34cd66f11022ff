#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A cold report of 10,000 connections in 2,000 distinct stacks, and what `addr2line -ifC` takes for the same frames.

addr2line is asked in two ways: once a module for all distinct frames, which is the best that it can do, and once a
stack, as whoever has the stacks before them would. All in one run, in turn, as processor time of the processes
together (on a busy machine the time that passes says more about the others), with the time that passed beside it.
Prints a line each, and fails where the report takes 2 s of processor time or more, is less than five times as fast as a
call for each stack, or names other functions than addr2line does.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

PLACES = 2000
STACKS_ASKED = 200  # one by one; the rest would say the same
LIMIT_S = 2.0
TIMES = 5.0


def timed(command, given=None, env=None):
    """What it printed, the seconds that passed, and those of processors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    result = subprocess.run(command, input=given, env=env, capture_output=True, text=True, check=True)
    passed = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result.stdout, passed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def addr2line(frames):
    """All frames of a module in one call, as whoever is in a hurry would."""
    passed = used = 0
    names = {}
    for module, offsets in frames.items():
        # The call, and not what comes after it.
        given = "".join(f"{offset - 1:#x}\n" for offset in offsets)
        text, more_passed, more_used = timed(["addr2line", "-ifCa", "-e", module], given=given)
        passed += more_passed
        used += more_used
        for block in ("\n" + text).split("\n0x")[1:]:
            lines = block.splitlines()
            names[(module, int(lines[0], 16) + 1)] = lines[1]
    return names, passed, used


def addr2line_for_each(stacks):
    """A call for each stack, scaled up from the first of them."""
    passed = used = 0
    asked = stacks[:STACKS_ASKED]
    for stack in asked:
        for module in {module for module, _ in stack}:
            words = [f"{offset - 1:#x}" for other, offset in stack if other == module]
            _, more_passed, more_used = timed(["addr2line", "-ifC", "-e", module, *words])
            passed += more_passed
            used += more_used
    return passed * len(stacks) / len(asked), used * len(stacks) / len(asked)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("library")
    parser.add_argument("program", help="many_places")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="pqleash-cold.") as directory:
        config = os.path.join(directory, "pqleash.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("[ledger]\nconnections = 16384\ncall_sites = 4096\n")
        env = {**os.environ, "PQLEASH_DIR": directory + "/ledgers", "PQLEASH_CONFIG": config}
        with subprocess.Popen(
                [options.program, str(options.connections)], env={**env, "LD_PRELOAD": options.library},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
            try:
                assert program.stdout.readline() == "ready\n", "the program did not open its connections"
                return compare(options, env)
            finally:
                program.stdin.close()
                program.wait(60)


def compare(options, env):
    command = [options.tool, "report", "--format", "json", "--native", "--top", "10000"]
    report = json.loads(timed(command, env=env)[0])
    sites = report["call_sites"]
    assert len(sites) == PLACES, f"{len(sites)} call sites, expected {PLACES}"
    assert sum(site["open"] for site in sites) == options.connections
    frames, names, stacks = {}, {}, []
    for site in sites:
        # Of inlined functions the innermost comes first, as addr2line has it; they share an address.
        stack = dict.fromkeys((frame["module"], frame["offset"]) for frame in site["frames"] if frame["module"])
        stacks.append(list(stack))
        for frame in site["frames"]:
            if frame["module"]:
                names.setdefault((frame["module"], frame["offset"]), frame["function"])
    for module, offset in names:
        frames.setdefault(module, []).append(offset)

    figures = {"pqleash report": [], "addr2line -ifC, a call a module": []}
    for _ in range(options.rounds):
        figures["pqleash report"].append(timed([options.tool, "report"], env=env)[1:])
        their_names, *figure = addr2line(frames)
        figures["addr2line -ifC, a call a module"].append(figure)
    figures["addr2line -ifC, a call a stack"] = [addr2line_for_each(stacks)]

    print(f"{options.connections} connections, {len(sites)} distinct stacks, {sum(map(len, stacks))} frames,"
          f" {len(names)} distinct ones of {len(frames)} modules")
    used = {}
    for what, rounds in figures.items():
        used[what] = statistics.median(figure[1] for figure in rounds)
        print(f"{what}: processor {used[what]:.2f} s, passed {statistics.median(figure[0] for figure in rounds):.2f} s")
    ours, _, theirs = used.values()
    print(f"a call a stack takes {theirs / ours:.0f} times as long as the report")
    known = {place: name for place, name in their_names.items() if name != "??"}
    same = sum(name == names[place] for place, name in known.items())
    print(f"the same function for {same} of the {len(known)} frames that addr2line can name")
    good = ours < LIMIT_S and theirs >= TIMES * ours and same > 0.99 * len(known) > PLACES / 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
