# SPDX-License-Identifier: Apache-2.0
"""Runs each benchmark in turns without and with the library, and compares. Called by scripts/bench, beside a server."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import caps

CONNECTIONS = (10, 4000)


class Bench:
    """One set of executables, and how they are run."""

    def __init__(self, build, rounds, scratch):
        self.programs = build / "tests" / "bench"
        self.library = build / "shim" / "libpqleash.so"
        self.rounds = rounds
        self.ledgers = Path(scratch) / "ledgers"

    def environment(self, preloaded):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PQLEASH_")}
        environment.pop("LD_PRELOAD", None)
        if preloaded:
            environment.update(LD_PRELOAD=str(self.library), PQLEASH_DIR=str(self.ledgers))
        return environment

    def output(self, command, preloaded, more=None):
        result = subprocess.run(
            [str(word) for word in command],
            env=self.environment(preloaded) | (more or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            sys.exit(f"bench: {command[0]} ended with {result.returncode}:\n{result.stderr}")
        return result.stdout

    def in_turns(self, measure):
        """Calls measure(preloaded) for each round, bare first in every other; gives a list of (bare, preloaded)."""
        pairs = []
        for number in range(self.rounds):
            order = (False, True) if number % 2 == 0 else (True, False)
            values = {preloaded: measure(preloaded) for preloaded in order}
            pairs.append((values[False], values[True]))
        return pairs

    def google(self, program):
        """Nanoseconds of each benchmark in a Google Benchmark executable."""
        command = [self.programs / program, "--benchmark_format=json", "--benchmark_min_time=0.3"]

        def measure(preloaded):
            document = json.loads(self.output(command, preloaded))
            for run in document["benchmarks"]:
                if run.get("error_occurred"):
                    sys.exit(f"bench: {program}: {run['error_message']}")
            return {run["name"].split("/")[0]: run["real_time"] for run in document["benchmarks"]}

        pairs = self.in_turns(measure)
        names = pairs[0][0].keys()
        return {name: [(bare[name], preloaded[name]) for bare, preloaded in pairs] for name in names}

    def spawn(self):
        command = [self.programs / "spawn_bench", self.library, 200]
        runs = [json.loads(self.output(command, False)) for _ in range(self.rounds)]
        return [(run["bare"], run["preloaded"]) for run in runs]

    def pgbench(self, seconds):
        self.output(["pgbench", "-i", "-q"], False)
        command = ["pgbench", "-n", "-S", "-c4", "-j2", f"-T{seconds}"]

        def measure(preloaded):
            lines = self.output(command, preloaded).splitlines()
            return float(next(line for line in lines if line.startswith("tps = ")).split()[2])

        return self.in_turns(measure)

    def python_frames(self):
        """Nanoseconds of connect and finish at a depth of 20 Python frames."""
        stand_in = self.programs.parent / "standin" / "plt" / "libpq.so.5"
        program = Path(__file__).with_name("python_frames.py")
        command = ["/usr/bin/python3", program, stand_in]
        return self.in_turns(lambda preloaded: float(self.output(command, preloaded)))

    def memory(self, connections):
        """Resident bytes with that many connections, and the blocks of the ledger."""

        def measure(preloaded):
            for ledger in self.ledgers.glob("*.ledger"):
                ledger.unlink()
            return json.loads(self.output([self.programs / "memory_bench", connections], preloaded))

        pairs = self.in_turns(measure)
        measure(True)
        blocks = [ledger.stat().st_blocks * 512 for ledger in self.ledgers.glob("*.ledger")]
        return pairs, sum(blocks)


def row(name, unit, pairs, limit, judged, higher_is_better=False):
    """One line of the table. `judged` is the number that is compared with `limit`."""
    bare = statistics.median(pair[0] for pair in pairs)
    preloaded = statistics.median(pair[1] for pair in pairs)
    met = None
    if limit is not None:
        met = judged >= limit["value"] if higher_is_better else judged <= limit["value"]
    return {
        "name": name,
        "unit": unit,
        "bare": bare,
        "preloaded": preloaded,
        "difference": statistics.median(pair[1] - pair[0] for pair in pairs),
        "ratio": statistics.median(pair[1] / pair[0] for pair in pairs) if bare else None,
        "target": limit["text"] if limit else None,
        "judged": judged,
        "met": met,
        "pairs": pairs,
    }


def measure_all(bench, pgbench_seconds):
    interceptor = bench.google("interceptor_bench")
    client = bench.google("client_bench")
    rows = []
    for name, stand_in, real, real_name in (
        ("connect+finish, depth 20, stand-in", "ConnectAndFinish", "ConnectAndFinish", "connect"),
        ("PQexec, stand-in", "Exec", "SelectOne", "select 1"),
    ):
        added = statistics.median(preloaded - bare for bare, preloaded in interceptor[stand_in])
        whole = statistics.median(bare for bare, _ in client[real])
        limit = {"value": 0.0005, "text": f"adds <= 0.05 % of {real_name} = {whole * 0.0005:.1f} ns"}
        rows.append(row(name, "ns", interceptor[stand_in], limit, added / whole))
    rows.append(row("connect+finish, PostgreSQL", "ns", client["ConnectAndFinish"], None, None))
    rows.append(row("select 1, PostgreSQL", "ns", client["SelectOne"], None, None))

    pairs = bench.python_frames()
    added = statistics.median(preloaded - bare for bare, preloaded in pairs)
    limit = {"value": 30_000, "text": "adds <= 30 us"}
    rows.append(row("connect+finish, 20 Python frames", "ns", pairs, limit, added))

    rows += caps.rows(bench, row)

    pairs = bench.spawn()
    ratio = statistics.median(preloaded / bare for bare, preloaded in pairs)
    rows.append(row("posix_spawn of /bin/true", "ns", pairs, {"value": 1.25, "text": "<= 1.25 x bare"}, ratio))

    pairs = bench.pgbench(pgbench_seconds)
    ratio = statistics.median(preloaded / bare for bare, preloaded in pairs)
    limit = {"value": 0.99, "text": ">= 0.99 x bare"}
    rows.append(row("pgbench -S -c4 -j2", "tps", pairs, limit, ratio, higher_is_better=True))

    few, many = CONNECTIONS
    few_pairs, few_blocks = bench.memory(few)
    many_pairs, _ = bench.memory(many)
    resident = {
        count: [(bare["resident"], preloaded["resident"]) for bare, preloaded in pairs]
        for count, pairs in ((few, few_pairs), (many, many_pairs))
    }
    added = {count: statistics.median(b - a for a, b in pairs) for count, pairs in resident.items()}
    each = (added[many] - added[few]) / (many - few)
    limit = {"value": 512, "text": "<= 512 more"}
    rows.append(row("memory of a tracked connection", "bytes", [(0, each)], limit, each))
    limit = {"value": 1 << 20, "text": "<= 1 MiB more"}
    rows.append(row(f"resident, {few} connections", "bytes", resident[few], limit, added[few]))
    private = [
        (bare["private"] + bare["shared"], preloaded["private"] + preloaded["shared"]) for bare, preloaded in few_pairs
    ]
    rows.append(row("  of it: not backed by a file on disk", "bytes", private, None, None))
    rows.append(row("  of it: blocks of the ledger", "bytes", [(0, few_blocks)], None, None))
    return rows


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}"


def print_table(rows):
    heads = ("", "unit", "bare", "preloaded", "difference", "ratio", "target", "met?")
    lines = [
        (
            line["name"],
            line["unit"],
            number(line["bare"]),
            number(line["preloaded"]),
            number(line["difference"]),
            "-" if line["ratio"] is None else f"{line['ratio']:.3f}",
            line["target"] or "-",
            {None: "-", True: "yes", False: "NO"}[line["met"]],
        )
        for line in rows
    ]
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    for line in [heads, *lines]:
        cells = [
            cell.ljust(width) if i in (0, 1, 6, 7) else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))
        ]
        print("  ".join(cells).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pgbench-seconds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()

    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where ledgers are by default
    with tempfile.TemporaryDirectory(dir=parent) as scratch:
        rows = measure_all(Bench(arguments.build, arguments.rounds, scratch), arguments.pgbench_seconds)
    print_table(rows)
    if arguments.json:
        document = {
            "schema": "pqleash.bench/1",
            "machine": platform.machine(),
            "kernel": platform.release(),
            "cpus": os.cpu_count(),
            "rounds": arguments.rounds,
            "results": rows,
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if arguments.check and any(line["met"] is False for line in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
