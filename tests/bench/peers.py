# SPDX-License-Identifier: Apache-2.0
"""What one would use otherwise to find who opens connections, doing the same work in the same run as pqleash. Called by
scripts/bench --against-peers, beside a server."""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Of connects and of queries: on a libpq that does nothing, and on PostgreSQL. What stops the program for milliseconds
# at each is given less.
WORK = {"stand-in": (5000, 20000), "PostgreSQL": (200, 2000)}
SLOW_WORK = {"stand-in": (100, 100), "PostgreSQL": (50, 50)}
START_SECONDS = 30

# Which connections are open, what opened them, how often each was used and when last: what a ledger says.
BPFTRACE = """
uprobe:LIBPQ:PQconnectdb { @opening[tid] = ustack(32); }
uretprobe:LIBPQ:PQconnectdb { @open[pid, retval] = @opening[tid]; @opened[@opening[tid]] = count(); delete(@opening[tid]); }
uprobe:LIBPQ:PQfinish { @closed[@open[pid, arg0]] = count(); delete(@open[pid, arg0]); }
uprobe:LIBPQ:PQexec { @commands[pid, arg0] = count(); @last[pid, arg0] = nsecs; }
uretprobe:LIBPQ:PQexec { @idle_since[tid] = nsecs; }
uprobe:LIBPQ:PQlibVersion { printf("attached\\n"); }
"""
GDB = """
set pagination off
set breakpoint pending on
set debuginfod enabled off
set confirm off
break PQconnectdb
commands
silent
bt 32
continue
end
break PQfinish
commands
silent
info registers rdi
continue
end
break PQexec
commands
silent
info registers rdi
continue
end
run
"""

# name: what it can tell, whether it can cap, what it takes.
FACTS = {
    "bare": ("nothing", "no", "-"),
    "pqleash": (
        "who opened what, idle or busy since when, lost handles, causes; while it runs and after kill -9",
        "yes",
        "a variable at the start",
    ),
    "bpftrace uprobes": ("who opened what, uses; native stacks only, nothing from before it was started", "no", "root"),
    "valgrind --track-fds": ("descriptors open at the exit, with the stack that opened them", "no", "another start"),
    "gdb breakpoints": ("all stacks, in a log to be matched by hand", "no", "rights of a debugger"),
}


class CannotRun(Exception):
    """Of a peer, with the reason in a sentence."""


class Peers:
    def __init__(self, build, scratch):
        self.program = str(build / "tests" / "bench" / "peers_bench")
        self.library = str(build / "shim" / "libpqleash.so")
        self.stand_in = build / "tests" / "standin" / "plt"
        self.scratch = Path(scratch)

    def environment(self, kind):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PQLEASH_")}
        environment.pop("LD_PRELOAD", None)
        if kind == "stand-in":
            environment["LD_LIBRARY_PATH"] = str(self.stand_in)
        return environment

    def libpq(self, kind):
        """The file that the program gets."""
        lines = subprocess.check_output(["ldd", self.program], env=self.environment(kind), text=True).splitlines()
        return os.path.realpath(next(line.split()[2] for line in lines if "libpq.so.5" in line))

    def run(self, kind, work, before=(), more=None, output=None):
        """Runs the program behind the words of `before`; its numbers."""
        command = [*before, self.program, *(str(number) for number in work[kind])]
        result = subprocess.run(
            command,
            env=self.environment(kind) | (more or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output or subprocess.PIPE,
            text=True,
            check=False,
            timeout=300,
        )
        numbers = [line for line in result.stdout.splitlines() if line.startswith('{"connect"')]
        if not numbers:
            said = (result.stderr or result.stdout or "nothing").strip().splitlines()
            raise CannotRun(f"{before[0] if before else self.program}: exit code {result.returncode}: {said[-1]}")
        return json.loads(numbers[0])

    def bare(self, kind):
        return self.run(kind, WORK)

    def pqleash(self, kind):
        return self.run(kind, WORK, more={"LD_PRELOAD": self.library, "PQLEASH_DIR": str(self.scratch / "ledgers")})

    def bpftrace(self, kind):
        if shutil.which("bpftrace") is None:
            raise CannotRun("not installed (scripts/install-packages --bench)")
        script = BPFTRACE.replace("LIBPQ", self.libpq(kind))
        log = self.scratch / "bpftrace"
        with open(log, "w", encoding="utf-8") as output:
            tracer = subprocess.Popen(["bpftrace", "-B", "line", "-e", script], stdout=output, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + START_SECONDS
            while "attached" not in log.read_text(encoding="utf-8", errors="replace"):
                if tracer.poll() is not None or time.monotonic() > deadline:
                    raise CannotRun(" ".join(log.read_text(encoding="utf-8", errors="replace").split())[:400])
                # The last of the probes is at the program's first call.
                self.run(kind, {kind: (1, 1)})
            numbers = self.run(kind, WORK)
        finally:
            if tracer.poll() is None:
                tracer.send_signal(signal.SIGINT)
            try:
                tracer.wait(timeout=START_SECONDS)
            except subprocess.TimeoutExpired:
                tracer.kill()
                tracer.wait()
        said = log.read_text(encoding="utf-8", errors="replace")
        if "@opened" not in said or "@commands" not in said:
            raise CannotRun("it attached, and saw no call")
        return numbers

    def valgrind(self, kind):
        if shutil.which("valgrind") is None:
            raise CannotRun("not installed (scripts/install-packages --bench)")
        return self.run(kind, SLOW_WORK, before=["valgrind", "--quiet", "--track-fds=yes"])

    def gdb(self, kind):
        if shutil.which("gdb") is None:
            raise CannotRun("not installed (scripts/install-packages --bench)")
        script = self.scratch / "commands.gdb"
        script.write_text(GDB, encoding="utf-8")
        return self.run(kind, SLOW_WORK, before=["gdb", "-nx", "-batch", "-x", str(script), "--args"])


def shown(nanoseconds):
    if nanoseconds is None:
        return "-"
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if abs(nanoseconds) >= size:
            return f"{nanoseconds / size:,.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def print_table(results, rounds):
    def of(name, kind, what):
        values = [one[what] for one in results[name].get(kind, [])]
        return statistics.median(values) if values else None

    print(f"\nMedians of {rounds} rounds, in turns. On a libpq that does nothing, and on PostgreSQL over the unix socket.\n")
    print("| | connect+finish | added | query | added | PostgreSQL: connect+finish | `SELECT 1` | can tell | can cap | takes |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, (tells, caps, takes) in FACTS.items():
        if not results[name]:
            continue
        cells = [name]
        for what in ("connect", "query"):
            value, bare = of(name, "stand-in", what), of("bare", "stand-in", what)
            cells.append(shown(value))
            cells.append(shown(value - bare) if value is not None and name != "bare" else "-")
        cells += [shown(of(name, "PostgreSQL", "connect")), shown(of(name, "PostgreSQL", "query")), tells, caps, takes]
        print(f"| {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    results = {name: {} for name in FACTS}
    skipped = {}
    with tempfile.TemporaryDirectory(dir=parent) as scratch:
        peers = Peers(arguments.build, scratch)
        ways = dict(zip(FACTS, (peers.bare, peers.pqleash, peers.bpftrace, peers.valgrind, peers.gdb)))
        for _ in range(arguments.rounds):
            for name, measure in ways.items():
                if name in skipped:
                    continue
                try:
                    for kind in WORK:
                        results[name].setdefault(kind, []).append(measure(kind))
                except (CannotRun, subprocess.TimeoutExpired) as error:
                    if name in ("bare", "pqleash"):
                        sys.exit(f"bench: {name}: {error}")
                    skipped[name] = str(error)
                    print(f"bench: skipped: {name}: {error}", file=sys.stderr)
    print_table(results, arguments.rounds)
    for name, why in skipped.items():
        print(f"\nNot measured here: {name}: {why}")
    if arguments.json:
        document = {"schema": "pqleash.bench-peers/1", "rounds": arguments.rounds, "results": results, "skipped": skipped}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
