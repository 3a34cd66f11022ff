# SPDX-License-Identifier: Apache-2.0
"""Holds the schemas of packaging/schemas against documents that the tool has written: of a service beside a real server,
with a cap and a leak. A property that no schema names is a fault, too: it would be a part of the interface that nobody
can rely on."""
import copy
import glob
import json
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import jsonschema
    import psycopg2  # noqa: F401, of the service
except ImportError as missing:
    print(f"{missing}: scripts/install-packages installs it")
    sys.exit(77)

TOOL, LIBRARY, SOURCE = sys.argv[1:4]
del sys.argv[1:]

CONFIG = """
service = "orders"
[[cap]]
name = "few"
scope = "service"
limit = 20
on_limit = "wait"
wait_timeout = "1s"
dbname = "*"
[[pace]]
name = "gently"
rate = "500/s"
on_server_full = "backoff"
"""

# Prints the pid of a backend and waits for its stdin to end. `lost` is a connection that nothing leads to.
SERVICE = """
import psycopg2, sys
held = [psycopg2.connect(dbname="postgres") for _ in range(3)]
held[0].cursor().execute("select 1")
try:
    psycopg2.connect(dbname="no_such_database")
except psycopg2.OperationalError:
    pass
print(held[0].get_backend_pid(), flush=True)
sys.stdin.read()
"""


def schemas():
    found = {}
    for path in glob.glob(f"{SOURCE}/packaging/schemas/*.schema.json"):
        with open(path, encoding="utf-8") as file:
            found[os.path.basename(path)] = json.load(file)
    return found


def closed(schema):
    """The same, and no object may have a property that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if result.get("type") == "object" and isinstance(result.get("properties"), dict):
        result.setdefault("additionalProperties", False)
    return result


def problems(document, every):
    """Sentences on what `document` has that its schema does not allow."""
    name = document["schema"].removeprefix("pqleash.").partition("/")[0] + ".schema.json"
    store = {f"http://localhost/{file}": schema for file, schema in every.items()}
    store.update(every)
    schema = every[name]
    resolver = jsonschema.RefResolver(base_uri=f"http://localhost/{name}", referrer=schema, store=store)
    validator = jsonschema.Draft202012Validator(schema, resolver=resolver)
    # Of 'null or an object' the error of the object is the one that tells.
    return [f"{'/'.join(map(str, error.absolute_path))}: {jsonschema.exceptions.best_match([error]).message[:200]}"
            for error in validator.iter_errors(document)]


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.every = {name: closed(schema) for name, schema in schemas().items()}
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.scratch = directory.name
        cls.ledgers = os.path.join(cls.scratch, "ledgers")
        os.mkdir(cls.ledgers, 0o700)
        cls.config = cls.write("pqleash.toml", CONFIG)
        cls.service = subprocess.Popen(
            [TOOL, "run", "--library", LIBRARY, "--", sys.executable, cls.write("service.py", SERVICE)],
            env={**os.environ, "PQLEASH_DIR": cls.ledgers, "PQLEASH_CONFIG": cls.config},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.end_service)
        cls.backend = cls.service.stdout.readline().strip()
        cls.dsn = "dbname=postgres"

    @classmethod
    def end_service(cls):
        cls.service.stdin.close()
        cls.service.stdout.close()
        cls.service.wait()

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.scratch, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def document(self, *arguments, codes=(0,)):
        done = subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False)
        self.assertIn(done.returncode, codes, done.stderr)
        return json.loads(done.stdout)

    def conforms(self, document, schema):
        self.assertEqual(document["schema"], f"pqleash.{schema}/1")
        self.assertEqual(problems(document, self.every), [])
        self.assertIsNotNone(document["generated_at"])
        return document

    def on_ledgers(self, *arguments, codes=(0,)):
        return self.document(*arguments, "--dir", self.ledgers, "--format", "json", codes=codes)

    def saved_report(self, name):
        return self.write(name, json.dumps(self.on_ledgers("report")))

    def test_schemas_are_schemas(self):
        self.assertEqual(len(self.every), 9)
        for schema in schemas().values():
            jsonschema.Draft202012Validator.check_schema(schema)

    def test_report_with_a_server(self):
        report = self.conforms(self.on_ledgers("report", "--dsn", self.dsn), "report")
        self.assertTrue(report["server"]["backends"])
        self.assertTrue(report["processes"][0]["failures"])
        self.assertEqual({policy["kind"] for policy in report["caps"]}, {"cap", "pace"})

    def test_merged_report(self):
        path = self.saved_report("one.json")
        merged = self.conforms(self.document("report", "--format", "json", path), "report")
        self.assertEqual(len(merged["merged"]), 1)

    def test_ps(self):
        self.assertEqual(len(self.conforms(self.on_ledgers("ps"), "ps")["processes"]), 1)

    def test_caps(self):
        self.assertEqual(len(self.conforms(self.on_ledgers("caps"), "caps")["policies"]), 2)

    def test_advise(self):
        advice = self.conforms(self.on_ledgers("advise", "--max", "20"), "advice")
        self.assertEqual(advice["generated"], advice["generated_at"], "its earlier name")
        self.assertTrue(advice["services"])

    def test_whois(self):
        whois = self.conforms(self.on_ledgers("whois", self.backend, "--dsn", self.dsn), "whois")
        self.assertEqual(len(whois["matches"]), 1)
        self.assertEqual(str(whois["server"]["backend"]["pid"]), self.backend)

    def test_doctor(self):
        self.assertTrue(self.conforms(self.on_ledgers("doctor", codes=(0, 1)), "doctor")["checks"])

    def test_check(self):
        check = self.conforms(
            self.document("check", self.config, "--dsn", self.dsn, "--format", "json", codes=(0, 3)), "check")
        self.assertEqual(len(check["policies"]), 2)
        self.assertTrue(check["server"]["caps"])

    def test_diff(self):
        path = self.saved_report("before.json")
        self.conforms(self.document("diff", path, path, "--format", "json"), "diff")

    def test_audit(self):
        suppressions = self.write("known.supp", "leak:no_such_function\n")
        program = self.write("leak.py", "import psycopg2\nleak = psycopg2.connect(dbname='postgres')\n"
                                        "import os; os._exit(0)\n")
        baseline = os.path.join(self.scratch, "baseline.json")
        audit = [TOOL, "audit", "--library", LIBRARY, "--format", "json", "--suppress", suppressions]
        for more in (["--write-baseline", baseline], ["--baseline", baseline]):
            out = os.path.join(self.scratch, "audit.json")
            done = subprocess.run([*audit, *more, "--output", out, "--", sys.executable, program],
                                  capture_output=True, text=True, check=False)
            self.assertIn(done.returncode, (0, 3), done.stderr)
            with open(out, encoding="utf-8") as file:
                document = self.conforms(json.load(file), "audit")
            self.assertTrue(document["findings"], done.stderr)
        self.assertIsNotNone(document["baseline"])

    def test_golden_documents(self):
        for path in glob.glob(f"{SOURCE}/tests/reporter/golden/*.json"):
            with open(path, encoding="utf-8") as file:
                self.assertEqual(problems(json.load(file), self.every), [], path)

    def test_what_is_not_in_the_schema_is_found(self):
        report = self.on_ledgers("report")
        wrong = copy.deepcopy(report)
        wrong["call_sites"][0]["frames"][0]["colour"] = "red"
        self.assertTrue(problems(wrong, self.every))
        wrong = copy.deepcopy(report)
        wrong["processes"][0]["open"] = "three"
        self.assertTrue(problems(wrong, self.every))
        wrong = copy.deepcopy(report)
        del wrong["answer"]
        self.assertTrue(problems(wrong, self.every))


unittest.main()
