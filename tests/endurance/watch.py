# SPDX-License-Identifier: Apache-2.0
"""Runs endurance_service under the library for a long time, and looks at it in between. Called by scripts/endurance,
beside a server.

At each look the service is brought to rest, so that three who count the same connections can be compared without
excuses: the service, its ledger and the server. Then it goes on.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Heaps of several threads breathe. What is lost with each connect is more than this after an hour, or a minute.
MEMORY_SLACK = 1 << 20
LEDGER_SLACK = 32 << 10  # two steps in which its pages are made
KEPT_LEDGERS = 16
SETTLE_SECONDS = 10
SERVER_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    " AND application_name LIKE 'endurance%' AND application_name <> 'endurance-child'"
)
# Far from what the server has, near enough to what the service wants that connects wait, are paced and refused.
CONFIGURATION = f"""
[ledger]
keep_dead = {KEPT_LEDGERS}
connections = 256
[[cap]]
name = "endurance"
scope = "service"
limit = 20
on_limit = "wait"
wait_timeout = "500ms"
[[cap]]
name = "one at a time"
application_name = "endurance-reject"
limit = 1
on_limit = "reject"
[[pace]]
name = "paced"
application_name = "endurance-paced"
rate = "20/s"
burst = 5
"""


def memory_of(pid):
    """Resident bytes: of no file, and of shared memory (the ledger, the board)."""
    fields = {}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name in ("RssAnon", "RssShmem"):
            fields[name] = int(value.split()[0]) * 1024
    return fields["RssAnon"], fields["RssShmem"]


def blocks_of(path):
    """What a file takes; 0: it is gone."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


class Endurance:
    def __init__(self, arguments, scratch):
        self.tool = arguments.build / "reporter" / "pqleash"
        self.ledgers = Path(scratch) / "ledgers"
        configuration = Path(scratch) / "pqleash.toml"
        configuration.write_text(CONFIGURATION, encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PQLEASH_")}
        self.bare = environment | {"PQLEASH_DIR": str(self.ledgers)}
        self.log = Path(scratch) / "log"
        preloaded = self.bare | {
            "LD_PRELOAD": str(arguments.build / "shim" / "libpqleash.so"),
            "PQLEASH_CONFIG": str(configuration),
            "PQLEASH_SERVICE": "endurance",
            "PQLEASH_LOG": str(self.log),
            "PQLEASH_LOG_LEVEL": "error",
        }
        service = arguments.build / "tests" / "endurance" / "endurance_service"
        self.service = subprocess.Popen(
            [service, str(arguments.threads)], env=preloaded, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self):
        """Brings the service to rest, and returns what it says of itself."""
        self.service.stdin.write("rest\n")
        self.service.stdin.flush()
        line = self.service.stdout.readline()
        if not line:
            sys.exit(f"endurance: failed: the service ended with {self.service.wait()}")
        return json.loads(line)

    def go_on(self):
        self.service.stdin.write("go on\n")
        self.service.stdin.flush()

    def server_sessions(self):
        return int(subprocess.check_output(["psql", "-XAtq", "-c", SERVER_SESSIONS], env=self.bare, text=True))

    def ledger(self):
        """What the report says of the service."""
        output = subprocess.check_output(
            [self.tool, "report", "--no-scan", "--pid", str(self.service.pid), "--format", "json"],
            env=self.bare,
            text=True,
        )
        (process,) = json.loads(output)["processes"]
        return process

    def look(self):
        own = self.ask()
        # The server notices the end of a session a moment after its client.
        deadline = time.monotonic() + SETTLE_SECONDS
        while (server := self.server_sessions()) != own["open"] and time.monotonic() < deadline:
            time.sleep(0.02)
        recorded = self.ledger()
        files = list(self.ledgers.glob("*.ledger"))
        anonymous, shared = memory_of(self.service.pid)
        look = {
            "own": own,
            "server": server,
            "recorded": recorded,
            "anonymous": anonymous,
            "shared": shared,
            "ledger": sum(blocks_of(path) for path in self.ledgers.glob(f"{self.service.pid}-*.ledger")),
            "directory": sum(blocks_of(path) for path in self.ledgers.iterdir()),
            "files": len(files),
            "descriptors": len(os.listdir(f"/proc/{self.service.pid}/fd")),
        }
        self.go_on()
        return look

    def end(self):
        self.service.stdin.close()
        try:
            return self.service.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.service.kill()
            self.service.wait()
            return "its time over"


def drift(look):
    """What the three do not agree on."""
    own, recorded = look["own"], look["recorded"]
    wrong = []
    if look["server"] != own["open"]:
        wrong.append(f"the server has {look['server']} sessions, the service {own['open']}")
    for name, counted, expected in (
        ("open", recorded["open"], own["open"]),
        ("opened", recorded["opened_total"], own["opened"]),
        ("closed", recorded["closed_total"], own["closed"]),
        ("failed", recorded["failed_total"], own["failed"]),
        ("unrecorded", recorded["unrecorded"], 0),
    ):
        if counted != expected:
            wrong.append(f"the ledger says {name} {counted}, the service {expected}")
    return wrong


HEAD = "    time  connects   1/s  children  open: own ledger server  memory  shared  ledger  directory  files  fds  drift"


def row(look, before, seconds, period):
    own = look["own"]
    done = own["opened"] + own["failed"]
    earlier = before["own"]["opened"] + before["own"]["failed"] if before else 0
    return (
        f"{seconds:7.0f}s {done:9,d} {(done - earlier) / period:5.0f} {own['children']:9d} {own['open']:10d}"
        f" {look['recorded']['open']:6d} {look['server']:6d} {look['anonymous'] >> 10:6d}K {look['shared'] >> 10:6d}K"
        f" {look['ledger'] >> 10:6d}K {look['directory'] >> 10:9d}K {look['files']:6d} {look['descriptors']:4d}"
        f"  {'; '.join(drift(look)) or '-'}"
    )


def judge(looks, living):
    """Sentences about what is wrong, of the looks after the warm-up."""
    wrong = []
    third = max(len(looks) // 3, 1)
    for name in ("anonymous", "shared"):
        first = statistics.median(look[name] for look in looks[:third])
        last = statistics.median(look[name] for look in looks[-third:])
        if last > first + MEMORY_SLACK:
            wrong.append(f"memory ({name}) grew from {first / 1024:.0f} to {last / 1024:.0f} KiB")
    if looks[-1]["ledger"] > looks[0]["ledger"] + LEDGER_SLACK:
        wrong.append(f"the ledger grew from {looks[0]['ledger'] >> 10} to {looks[-1]['ledger'] >> 10} KiB")
    bound = max(KEPT_LEDGERS + living, 1)
    most = max(look["files"] for look in looks)
    if most > bound:
        wrong.append(f"the directory has {most} ledgers, more than {KEPT_LEDGERS} of the dead and {living} of the living")
    if looks[-1]["descriptors"] - looks[-1]["own"]["open"] > looks[0]["descriptors"] - looks[0]["own"]["open"]:
        wrong.append("descriptors that are no connections became more")
    drifted = [look for look in looks if drift(look)]
    if drifted:
        wrong.append(f"counters drift at {len(drifted)} of {len(looks)} looks: {'; '.join(drift(drifted[-1]))}")
    return wrong


def watch(endurance, arguments):
    print(HEAD, flush=True)
    begin = time.monotonic()
    looks, warm, before, turn = [], [], None, 0
    while time.monotonic() - begin < arguments.duration:
        turn += 1
        time.sleep(max(0.0, begin + turn * arguments.interval - time.monotonic()))
        look = endurance.look()
        looks.append(look)
        seconds = time.monotonic() - begin
        print(row(look, before, seconds, arguments.interval), flush=True)
        before = look
        if seconds > arguments.warm_up:
            warm.append(look)
    # The service, the child that just ended and the one that has just begun.
    wrong = judge(warm or looks[-1:], living=3)
    code = endurance.end()
    if code != 0:
        wrong.append(f"the service ended with {code}")
    if endurance.log.exists() and endurance.log.stat().st_size > 0:
        lines = endurance.log.read_text(encoding="utf-8", errors="replace").splitlines()
        wrong.append(f"the library complained, {len(lines)} lines, the last: {lines[-1]}")
    own = looks[-1]["own"]
    print(
        f"{own['opened'] + own['failed']:,} connects ({own['failed']:,} failed or refused), {own['queries']:,} queries,"
        f" {own['children']:,} processes, {len(looks)} looks"
    )
    if not 0 < own["failed"] < own["opened"]:
        wrong.append("the service did not do what it is for")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--duration", type=float, required=True)
    parser.add_argument("--interval", type=float, required=True)
    parser.add_argument("--warm-up", type=float, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where ledgers are by default
    with tempfile.TemporaryDirectory(dir=parent) as scratch:
        endurance = Endurance(arguments, scratch)
        try:
            wrong = watch(endurance, arguments)
        finally:
            if endurance.service.poll() is None:
                endurance.service.kill()
                endurance.service.wait()
    for sentence in wrong:
        print(f"endurance: failed: {sentence}")
    if not wrong:
        print("endurance: passed: memory and ledger did not grow after the warm-up, and nobody's counters drifted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
