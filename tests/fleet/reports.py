# SPDX-License-Identifier: Apache-2.0
#
# Saved reports of a fleet, as `pqleash report --format json` writes them, for as many hosts as are wanted.
import json
import os

PERIODS = 12
FRAMES = 12
OPEN = 4  # by each process


def histogram():
    return {"count": 40, "sum_s": 1.5, "p50_at_most_s": 0.002, "p95_at_most_s": 0.016}


def process(host, number):
    coverage = {
        "copies": [{"path": "/usr/lib/x86_64-linux-gnu/libpq.so.5.15", "version": "15.18", "ways": ["bound"]}],
        "bypassed_calls": 0, "bypassed_closes": 0, "uncovered_lookups": 0, "intercepted": ["dlsym", "deepbind"],
        "interpreters": [], "unwinder": "cfi",
    }
    period = {
        "from": "2026-11-21T19:00:00.000Z", "opened": 3, "closed": 2, "failed": 0, "server_full": 0, "waited": 0,
        "refused": 0, "open_peak": 5, "in_use_peak": 2, "busy_s": 0.5, "uses": 40,
    }
    return {
        "pid": 1000 + number, "service": f"service{number % 5}", "exe": "/srv/orders/bin/orders", "alive": True, "state": "live",
        "open": OPEN, "peak": 5, "opened_total": 40, "closed_total": 36, "failed_total": 1, "in_use": 1, "in_use_peak": 2,
        "server_full_total": 0, "unrecorded": 0, "coverage": coverage, "since": "2026-11-21T18:00:00.000Z",
        "last_seen": None, "host": host, "library_version": "0.1.0", "run_id": None,
        "ledger": f"/dev/shm/pqleash-0/{1000 + number}-77.ledger",
        "times": {"create": histogram(), "wait": histogram(), "use": histogram()}, "history": [period] * PERIODS,
    }


def frame(site, number):
    return {
        "function": f"shop::Desk::Step{number}", "file": f"/srv/orders/src/desk{site}.cc", "line": 10 + number, "column": None,
        "inlined": False, "module": "/srv/orders/bin/orders", "offset": 4096 + number, "language": "native",
    }


def connection(number):
    return {
        "conn": "0x55d0c1a2b3c0", "pid": 1000 + number, "tid": 1000 + number, "thread_name": "orders", "host": "db1",
        "port": 5432, "dbname": "orders", "user": "orders", "application_name": "orders", "backend_pid": 4711,
        "state": "established", "transaction": "idle", "in_call": None, "in_call_s": None, "age_s": 100.0,
        "idle_s": 50.0, "queries": 7, "resets": 0, "inherited": None, "reference": None,
    }


def call_site(number, processes, open_here):
    return {
        "id": f"{0xa000 + number:016x}", "processes": processes, "open": open_here, "opened_total": 10 * open_here,
        "closed_total": 9 * open_here, "failed_total": 1, "peak": 2 * open_here, "in_use": 1, "in_use_peak": 2,
        "busy_share": 0.5, "oldest_age_s": 100.0, "max_idle_s": 50.0, "stack_truncated": False,
        "stack_incomplete": False, "headline": 0, "frames": [frame(number, i) for i in range(FRAMES)],
        "connections": [connection(i) for i in range(open_here)], "connections_left_out": 0,
    }


def report(host, processes, call_sites):
    open_here = OPEN * processes // call_sites
    leak = {
        "kind": "leak-suspect", "confidence": "likely", "summary": f"{open_here} connections opened by shop::Desk::Step0",
        "call_site": f"{0xa000:016x}", "evidence": [{"name": "open", "number": open_here, "unit": "connections"}],
        "advice": "find the path that does not close it", "stacks": [],
    }
    return {
        "schema": "pqleash.report/1", "generated_at": "2026-11-21T19:10:00.000Z", "host": host, "incomplete": [],
        "processes": [process(host, i) for i in range(processes)],
        "answer": {"verdict": "leak", "sentence": "Leak, not a small limit"}, "findings": [leak],
        "call_sites": [call_site(i, processes, open_here) for i in range(call_sites)],
        "filter": {"min_age_s": None, "min_idle_s": None, "top": None, "library_paths": []}, "call_sites_left_out": 0,
        "server": None,
    }


def write(directory, hosts, processes, call_sites):
    """Returns their paths, in order of the hosts."""
    paths = []
    for number in range(hosts):
        host = f"web{number:03}"
        path = os.path.join(directory, host + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(report(host, processes, call_sites), file, indent=2)
        paths.append(path)
    return paths
