# SPDX-License-Identifier: Apache-2.0
#
# The examples for Prometheus and Grafana: their syntax, their behaviour, and that no metric is asked for that does not
# exist.
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

EXAMPLES = os.path.join(os.environ["PQLEASH_TEST_SOURCE"], "examples")
PROMETHEUS = os.path.join(EXAMPLES, "prometheus")
def metrics_of_serve():
    """What `pqleash serve` may say, by its source."""
    with open(os.path.join(os.environ["PQLEASH_TEST_SOURCE"], "reporter", "serve", "metrics.cc"), encoding="utf-8") as file:
        names = set(re.findall(r'"((?:db_client|pqleash)_[a-z_]+)"', file.read()))
    histograms = {name for name in names if name.endswith("_time_seconds")}
    return names | {name + end for name in histograms for end in ("_bucket", "_sum", "_count")}


METRICS = metrics_of_serve()
ALERTS_ASKED_FOR = {
    "PqleashConnectionLeak", "PqleashIdleInTransaction", "PqleashCapRefusing", "PqleashSaturated",
    "PqleashConnectionStorm", "PqleashServerNearlyFull",
}


def promtool(*words, cwd=PROMETHEUS):
    result = subprocess.run(["promtool", *words], cwd=cwd, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def read(*path):
    with open(os.path.join(EXAMPLES, *path), encoding="utf-8") as file:
        return file.read()


def dashboard_expressions():
    """With Grafana's variables as it fills them in."""
    for panel in json.loads(read("grafana", "pqleash.json"))["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "1m")
            yield panel["title"], expression.replace("$service", ".*").replace("$host", ".*")


def metrics_in(expression):
    words = re.sub(r'"[^"]*"', "", expression)
    words = re.sub(r"\{[^}]*\}|\bby \([^)]*\)", "", words)
    return set(re.findall(r"(?<![\w:])(?:db_client_connection|pqleash)_\w+", words))


class Names(unittest.TestCase):
    def test_rules_ask_for_metrics_that_exist(self):
        expressions = re.sub(r"^\s*(#|summary:|description:|- alert:|- record:|- name:).*$", "", read("prometheus", "rules.yml"), flags=re.MULTILINE)
        expressions = re.sub(r"description: >-\n.*\n.*\n", "", expressions)
        asked = metrics_in(re.sub(r"`[^`]*`", "", expressions))
        self.assertGreater(len(asked), 10)
        self.assertEqual(asked - METRICS, set())

    def test_dashboard_asks_for_metrics_that_exist(self):
        asked = set()
        for title, expression in dashboard_expressions():
            found = metrics_in(expression)
            self.assertEqual(found - METRICS, set(), title)
            self.assertNotEqual(found, set(), title)
            asked |= found
        self.assertGreater(len(asked), 15)

    def test_dashboard_has_no_panel_twice_and_none_on_another(self):
        panels = json.loads(read("grafana", "pqleash.json"))["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken = set()
        for panel in panels:
            place = panel["gridPos"]
            cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            self.assertEqual(cells & taken, set(), panel["title"])
            taken |= cells

    def test_dashboard_variables_are_defined(self):
        text = read("grafana", "pqleash.json")
        defined = {variable["name"] for variable in json.loads(text)["templating"]["list"]}
        used = set(re.findall(r"\$\{?([a-z]+)", text))
        self.assertEqual(used, defined)


@unittest.skipUnless(shutil.which("promtool"), "prometheus, which has promtool, is not installed")
class Promtool(unittest.TestCase):
    def test_configuration(self):
        # With the files beside it that its user makes.
        with tempfile.TemporaryDirectory() as directory:
            for name in ("scrape.yml", "rules.yml"):
                shutil.copy(os.path.join(PROMETHEUS, name), directory)
            code, said = promtool("check", "config", "scrape.yml", cwd=directory)
            self.assertEqual((code, "pqleash.token" in said), (1, True), said)
            for name in ("pqleash.token", "pqleash-ca.pem"):
                with open(os.path.join(directory, name), "w", encoding="utf-8"):
                    pass
            code, said = promtool("check", "config", "scrape.yml", cwd=directory)
            self.assertEqual(code, 0, said)

    def test_rules(self):
        code, said = promtool("check", "rules", "rules.yml")
        self.assertEqual((code, "SUCCESS" in said), (0, True), said)

    def test_behaviour_of_rules(self):
        code, said = promtool("test", "rules", "rules_test.yml")
        self.assertEqual(code, 0, said)

    def test_each_alert_is_tested_to_be_raised(self):
        alerts = set(re.findall(r"- alert: (\w+)", read("prometheus", "rules.yml")))
        self.assertLessEqual(ALERTS_ASKED_FOR, alerts)
        raised = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", read("prometheus", "rules_test.yml")))
        self.assertEqual(raised, alerts)

    def test_a_wrong_rule_fails(self):
        """That the tests of behaviour can fail."""
        with tempfile.TemporaryDirectory(prefix="pqleash-rules.") as directory:
            shutil.copytree(PROMETHEUS, directory, dirs_exist_ok=True)
            path = os.path.join(directory, "rules.yml")
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("> 300", "> 3000"))
            self.assertNotEqual(promtool("test", "rules", "rules_test.yml", cwd=directory)[0], 0)

    def check_expressions(self, named):
        """promtool parses expressions in rules: one each."""
        with tempfile.TemporaryDirectory(prefix="pqleash-rules.") as directory:
            rules = [{"record": f"panel:{i}", "expr": expression} for i, (_, expression) in enumerate(named)]
            path = os.path.join(directory, "rules.yml")
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)  # which is YAML
            return promtool("check", "rules", path)

    def test_expressions_of_the_dashboard(self):
        named = list(dashboard_expressions())
        code, said = self.check_expressions(named)
        self.assertEqual(code, 0, said)
        self.assertIn(f"{len(named)} rules found", said)
        self.assertNotEqual(self.check_expressions([("wrong", "sum(pqleash_findings")])[0], 0)


if __name__ == "__main__":
    unittest.main()
