# SPDX-License-Identifier: Apache-2.0
#
# `pqleash report` of saved reports, on the command line.
import json
import os
import subprocess
import tempfile
import unittest

import reports

TOOL = os.environ["PQLEASH_TEST_TOOL"]
LIBRARY = os.environ["PQLEASH_TEST_LIBRARY"]


class Merge(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="pqleash-merge.")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.paths = reports.write(self.directory, hosts=3, processes=4, call_sites=2)

    def report(self, *words):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PQLEASH_")}
        words = [TOOL, "report", *words]
        return subprocess.run(words, env=environment, cwd=self.directory, capture_output=True, text=True, check=False)

    def merged(self, *words, code=0):
        result = self.report("--format", "json", *words)
        self.assertEqual(result.returncode, code, result.stderr)
        return json.loads(result.stdout)

    def written(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def ledger(self):
        """Of a process that has failed to connect, and ended."""
        directory = os.path.join(self.directory, "ledgers")
        environment = {**os.environ, "LD_PRELOAD": LIBRARY, "PQLEASH_DIR": directory, "PQLEASH_SERVICE": "here"}
        subprocess.run(["psql", "-XAt", "host=/nonexistent", "-c", ""], env=environment, capture_output=True, check=False)
        (name,) = [name for name in os.listdir(directory) if name.endswith(".ledger")]
        return os.path.join(directory, name)

    def test_sums_over_hosts(self):
        document = self.merged(*self.paths)
        self.assertEqual(document["schema"], "pqleash.report/1")
        self.assertEqual([source["host"] for source in document["merged"]], ["web000", "web001", "web002"])
        self.assertEqual(len(document["processes"]), 12)
        self.assertEqual({process["host"] for process in document["processes"]}, {"web000", "web001", "web002"})
        (first, second) = document["call_sites"]
        self.assertEqual((first["open"], first["opened_total"], first["failed_total"]), (24, 240, 3))
        self.assertEqual(first["hosts"], ["web000", "web001", "web002"])
        self.assertEqual(second["processes"], 12)
        (finding,) = document["findings"]
        self.assertEqual(finding["evidence"], [{"name": "open", "number": 24.0, "unit": "connections"}])
        self.assertEqual(finding["summary"], "on 3 hosts, most on web000: 8 connections opened by shop::Desk::Step0")
        self.assertEqual(document["answer"]["sentence"], "On 3 of 3 hosts, as on web000: Leak, not a small limit")

    def test_text(self):
        result = self.report(*self.paths, "--top", "1")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("merged from 3 reports of 3 hosts: 12 processes, 48 open connections", result.stdout)
        self.assertIn("1. shop::Desk::Step0 (/srv/orders/src/desk0.cc:10)", result.stdout)
        self.assertIn("and 1 more, left out of the reports or as asked", result.stdout)

    def test_with_a_ledger(self):
        ledger = self.ledger()
        document = self.merged(self.paths[0], ledger)
        self.assertEqual([source["file"] for source in document["merged"]], ["what was read from ledgers", self.paths[0]])
        (here,) = [process for process in document["processes"] if process["service"] == "here"]
        self.assertEqual(here["failed_total"], 1)
        self.assertEqual(len(document["processes"]), 5)

    def test_ledgers_alone_are_reported_as_ever(self):
        document = self.merged(self.ledger())
        self.assertNotIn("merged", document)
        self.assertIn("history", document["processes"][0])

    def test_merged_report_is_merged_again(self):
        fleet = self.written("fleet.json", self.report("--format", "json", *self.paths[:2]).stdout)
        document = self.merged(fleet, self.paths[2])
        self.assertEqual(document["call_sites"][0]["open"], 24)
        self.assertEqual(document["findings"][0]["hosts"], ["web000", "web001", "web002"])
        # One that is in it already is not counted twice.
        document = self.merged(fleet, self.paths[1], code=1)
        self.assertEqual(document["call_sites"][0]["open"], 16)
        self.assertRegex(document["incomplete"][0], r"web001\.json is left out: 4 of its 4 processes are in .*fleet\.json")

    def test_what_cannot_be_used_is_named_and_the_rest_reported(self):
        with open(self.paths[1], encoding="utf-8") as file:
            text = file.read()
        damaged = self.written("damaged.json", text[: len(text) // 2])
        other = self.written("other.json", json.dumps({**json.loads(text), "schema": "pqleash.report/2"}))
        document = self.merged(self.paths[0], damaged, other, "none.json", code=1)
        self.assertEqual(document["call_sites"][0]["open"], 8)
        said = "\n".join(document["incomplete"])
        for piece in ("damaged.json is not a report of pqleash: no JSON at byte", "its schema is 'pqleash.report/2', expected", "none.json"):
            self.assertIn(piece, said)
        self.assertEqual(len(document["incomplete"]), 3)

    def test_nothing_to_report(self):
        damaged = self.written("damaged.json", "{")
        result = self.report(damaged)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("pqleash: incomplete: ", result.stderr)

    def test_audits_are_refused(self):
        path = os.path.join(self.directory, "audit.json")
        subprocess.run([TOOL, "audit", "--allow-unseen", "--library", LIBRARY, "--format", "json", "--output", path, "--", "true"], check=True)
        document = self.merged(path, self.paths[0], code=1)
        self.assertRegex(document["incomplete"][0], r"audit\.json is an audit, expected what `pqleash report --format json`")

    def test_fail_on(self):
        self.assertEqual(self.report(*self.paths, "--fail-on", "likely").returncode, 3)
        self.assertEqual(self.report(*self.paths, "--fail-on", "proven").returncode, 0)

    def test_what_saved_reports_cannot_answer(self):
        for words in (["--pid", "1"], ["--service", "x"], ["--min-age", "1s"], ["--min-idle", "1s"], ["--library-path", "x"], ["--dsn", ""]):
            result = self.report(self.paths[0], *words)
            self.assertEqual((result.returncode, result.stdout), (2, ""), words)
            self.assertIn(f"report: {words[0]} cannot be answered from saved reports", result.stderr)

    def test_compared_with_another(self):
        fleet = self.written("fleet.json", self.report("--format", "json", *self.paths).stdout)
        result = subprocess.run([TOOL, "diff", self.paths[0], fleet], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("8 -> 24", result.stdout)


if __name__ == "__main__":
    unittest.main()
