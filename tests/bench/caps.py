# SPDX-License-Identifier: Apache-2.0
"""What caps cost: an admission below the limit, and the hand-over of a place. Used by compare.py."""

import json
import statistics

CAPS = {
    "none": "",
    "process": '[[cap]]\nname = "db"\nscope = "process"\nlimit = 100\non_limit = "wait"\n',
    "service": '[[cap]]\nname = "db"\nscope = "service"\nlimit = 100\non_limit = "wait"\n',
    "glob": '[[cap]]\nname = "db"\nscope = "process"\ndbname = "*"\nlimit = 100\non_limit = "wait"\n',
    "service_glob": '[[cap]]\nname = "db"\nscope = "service"\ndbname = "*"\nlimit = 100\non_limit = "wait"\n',
    "one": '[[cap]]\nname = "db"\nscope = "service"\nlimit = 1\non_limit = "wait"\nwait_timeout = "60s"\n',
}


class CapsBench:
    def __init__(self, bench):
        self.bench = bench

    def output(self, command, caps):
        """Runs a command under the library with these caps."""
        directory = self.bench.ledgers.parent
        config = directory / f"{caps}.toml"
        config.write_text(CAPS[caps], encoding="utf-8")
        # Policies stay on the board of a directory: one for each set of caps.
        more = {"PQLEASH_CONFIG": str(config), "PQLEASH_DIR": str(directory / f"caps-{caps}"), "PQLEASH_SERVICE": "bench"}
        return self.bench.output(command, True, more)

    def admissions(self):
        """For each set of caps the nanoseconds of connect and finish, a number a round."""
        command = [
            self.bench.programs / "interceptor_bench",
            "--benchmark_filter=ConnectAndFinish",
            "--benchmark_format=json",
            "--benchmark_min_time=0.3",
        ]
        names = ["none", "process", "service", "glob", "service_glob"]
        numbers = {name: [] for name in names}
        for turn in range(self.bench.rounds):
            shift = turn % len(names)
            for name in names[shift:] + names[:shift]:
                document = json.loads(self.output(command, name))
                numbers[name].append(document["benchmarks"][0]["real_time"])
        return numbers

    def hand_overs(self):
        command = [self.bench.programs / "hand_over_bench", 300]
        return [json.loads(self.output(command, "one")) for _ in range(self.bench.rounds)]


def rows(bench, row):
    """Lines of the table; of these 'bare' is the library without a cap."""
    caps = CapsBench(bench)
    numbers = caps.admissions()
    lines = []
    for name, title, target in (
        ("process", "admission, cap of the process", 100),
        ("service", "admission, cap of the service", 400),
        ("glob", "admission, cap of the process, dbname glob", None),
        ("service_glob", "admission, cap of the service, dbname glob", None),
    ):
        pairs = list(zip(numbers["none"], numbers[name]))
        limit = None if target is None else {"value": target, "text": f"adds <= {target} ns"}
        lines.append(row(title, "ns", pairs, limit, statistics.median(b - a for a, b in pairs)))
    runs = caps.hand_overs()
    for key, title in (("in_place", "hand-over to who waits in place"), ("parked", "hand-over to a parked connect")):
        pairs = [(0, run[key]) for run in runs]
        limit = {"value": 200_000, "text": "<= 200 us"}
        lines.append(row(title, "ns", pairs, limit, statistics.median(run[key] for run in runs)))
    return lines
