# SPDX-License-Identifier: Apache-2.0
"""Noisy clients at a server with few slots: bare, through PgBouncer, and under a cap. Called by scripts/bench-caps.

The same in all three: server, unix sockets, libpq, threads, query, time. PgBouncer's session pool has the size of the
cap. A bystander connects to the server itself, past pool and cap.
"""

import argparse
import json
import os
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = ("bare", "pgbouncer", "pqleash")
PGBOUNCER_PORT = 6432


class Server:
    """The throw-away server that scripts/with-postgres has started."""

    def __init__(self):
        self.host = os.environ["PGHOST"]
        self.port = os.environ["PGPORT"]
        self.pid = Path(self.host, "data", "postmaster.pid").read_text(encoding="utf-8").split()[0]
        # Superusers have slots of their own.
        for role in ("noise", "bystander"):
            self.psql(f"CREATE ROLE {role} LOGIN")

    def psql(self, command):
        result = subprocess.run(["psql", "-XAtqc", command], stdout=subprocess.PIPE, text=True, check=True)
        return result.stdout.strip()

    def own_children(self):
        return len(Path("/proc", self.pid, "task", self.pid, "children").read_text(encoding="utf-8").split())

    def wait_until_idle(self, children):
        while self.own_children() > children:
            time.sleep(0.01)

    def conninfo(self, role):
        return f"host={self.host} port={self.port} user={role} dbname=postgres"


class PgBouncer:
    """With a session pool, on a unix socket."""

    def __init__(self, server, size):
        self.server = server
        self.directory = Path(tempfile.mkdtemp(prefix="pqleash-pgbouncer.", dir="/tmp"))
        self.directory.chmod(0o755)
        (self.directory / "pgbouncer.ini").write_text(
            f"""[databases]
postgres = host={server.host} port={server.port} user=noise pool_size={size}
[pgbouncer]
listen_port = {PGBOUNCER_PORT}
listen_addr =
unix_socket_dir = {self.directory}
auth_type = any
pool_mode = session
max_client_conn = 1000
log_connections = 0
log_disconnections = 0
logfile =
""",
            encoding="utf-8",
        )
        command = ["pgbouncer", "-q", str(self.directory / "pgbouncer.ini")]
        if os.geteuid() == 0:  # it refuses to run as root
            account = "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"
            user = pwd.getpwnam(account)
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            switch = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            command = switch + command
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/")
        socket = self.directory / f".s.PGSQL.{PGBOUNCER_PORT}"
        while not socket.exists():
            if self.process.poll() is not None:
                sys.exit(f"bench-caps: pgbouncer ended with {self.process.returncode}:\n{self.process.stderr.read()}")
            time.sleep(0.01)

    def conninfo(self):
        return f"host={self.directory} port={PGBOUNCER_PORT} user=noise dbname=postgres"

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory)


class Comparison:
    def __init__(self, arguments, scratch):
        self.arguments = arguments
        self.program = str(arguments.build / "tests" / "bench" / "storm_bench")
        self.library = str(arguments.build / "shim" / "libpqleash.so")
        self.scratch = Path(scratch)
        self.server = Server()
        self.idle_children = self.server.own_children()
        self.config = self.scratch / "pqleash.toml"
        self.config.write_text(
            f'[[cap]]\nname = "noise"\nscope = "service"\nuser = "noise"\nlimit = {arguments.size}\n'
            'on_limit = "wait"\nwait_timeout = "60s"\n',
            encoding="utf-8",
        )

    def start(self, words, under=False):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PQLEASH_")}
        environment.pop("LD_PRELOAD", None)
        if under:
            environment.update(
                LD_PRELOAD=self.library, PQLEASH_DIR=str(self.scratch / "ledgers"), PQLEASH_CONFIG=str(self.config)
            )
        words = [self.program] + [str(word) for word in words]
        return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)

    def noise(self, way, seconds, pool):
        conninfo = pool.conninfo() if pool else self.server.conninfo("noise")
        words = ["noise", self.arguments.threads, seconds, conninfo, self.arguments.query, self.arguments.retry_ms]
        return self.start(words, way == "pqleash")

    @staticmethod
    def result(process):
        output = process.communicate()[0]
        if process.returncode != 0:
            sys.exit(f"bench-caps: storm_bench ended with {process.returncode}")
        return json.loads(output)

    def once(self, way):
        self.server.wait_until_idle(self.idle_children)
        pool = PgBouncer(self.server, self.arguments.size) if way == "pgbouncer" else None
        seconds = self.arguments.seconds
        try:
            self.result(self.noise(way, 1, pool))  # a pool fills, caches are warm
            noise = self.noise(way, seconds, pool)
            time.sleep(0.2)
            within = seconds - 0.5
            bystander = self.start(["bystander", within, self.server.conninfo("bystander"), 50])
            children = self.start(["children", within, self.server.pid])
            run = {"noise": self.result(noise), "bystander": self.result(bystander)}
            run["children"] = self.result(children)["most"] - self.idle_children
        finally:
            if pool:
                pool.stop()
        return run

    def run(self):
        rounds = {way: [] for way in WAYS}
        for number in range(self.arguments.rounds):
            shift = number % len(WAYS)
            for way in WAYS[shift:] + WAYS[:shift]:
                rounds[way].append(self.once(way))
        return rounds


def summary(runs):
    def median(get):
        return statistics.median(get(run) for run in runs)

    tries = sum(run["bystander"]["tries"] for run in runs)
    failures = sum(run["bystander"]["failures"] for run in runs)
    return {
        "bystander_tries": tries,
        "bystander_success": 1 - failures / tries,
        "bystander_p99": median(lambda run: run["bystander"]["p99"]),
        "connects": median(lambda run: run["noise"]["connects"]),
        "failures": median(lambda run: run["noise"]["failures"]),
        "p50": median(lambda run: run["noise"]["p50"]),
        "p99": median(lambda run: run["noise"]["p99"]),
        "max": median(lambda run: run["noise"]["max"]),
        "processes": max(run["children"] for run in runs),
    }


def print_table(summaries, arguments):
    titles = {"bare": "bare, with retries", "pgbouncer": "through PgBouncer", "pqleash": "pqleash wait"}
    heads = (
        "", "bystander ok", "bystander p99", "to a connection p50", "p99", "longest", "connects/s", "failed", "peak processes",
    )  # fmt: skip
    counted = arguments.seconds * 0.9
    lines = [heads]
    for way in WAYS:
        numbers = summaries[way]
        lines.append(
            (
                titles[way],
                f"{100 * numbers['bystander_success']:.1f} % of {numbers['bystander_tries']}",
                f"{numbers['bystander_p99']:.1f} ms",
                f"{numbers['p50']:.1f} ms",
                f"{numbers['p99']:.1f} ms",
                f"{numbers['max']:.1f} ms",
                f"{numbers['connects'] / counted:.0f}",
                f"{numbers['failures']:.0f}",
                f"{numbers['processes']}",
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    for line in lines:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--size", type=int, default=12)
    parser.add_argument("--query", default="SELECT pg_sleep(0.05)")
    parser.add_argument("--retry-ms", type=float, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()

    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where ledgers are by default
    with tempfile.TemporaryDirectory(dir=parent) as scratch:
        comparison = Comparison(arguments, scratch)
        rounds = comparison.run()
        slots = comparison.server.psql("SHOW max_connections")
        reserved = comparison.server.psql("SHOW superuser_reserved_connections")
    summaries = {way: summary(runs) for way, runs in rounds.items()}
    print(
        f"{arguments.threads} threads connect, run '{arguments.query}' and close; max_connections = {slots} "
        f"({reserved} for superusers), pool and cap of {arguments.size}; median of {arguments.rounds} rounds "
        f"of {arguments.seconds:g} s"
    )
    print_table(summaries, arguments)
    ratio = summaries["pqleash"]["p99"] / summaries["pgbouncer"]["p99"]
    targets = {
        "bystander 100 % with pqleash": summaries["pqleash"]["bystander_success"] == 1,
        f"p99 with pqleash at most 1.2 times PgBouncer's ({ratio:.2f})": ratio <= 1.2,
    }
    for text, met in targets.items():
        print(f"{text}: {'yes' if met else 'NO'}")
    if arguments.json:
        document = {"schema": "pqleash.bench-caps/1", "cpus": os.cpu_count(), "summary": summaries, "rounds": rounds}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if arguments.check and not all(targets.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
