# SPDX-License-Identifier: Apache-2.0
#
# The examples, as far as they can be tried here: run beside a PostgreSQL server (scripts/with-postgres).
import glob
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import textwrap
import unittest

try:
    import yaml
except ImportError:
    yaml = None

from tool import TOOL, SOURCE, output_of, read

LIBRARY = os.environ["PQLEASH_TEST_LIBRARY"]
LIBDIR = os.environ["PQLEASH_TEST_LIBDIR"]
DIRECTORY = "/usr/lib/pqleash"
INSTALLED = DIRECTORY + "/$LIB/libpqleash.so"
FPM = sorted(glob.glob("/usr/sbin/php-fpm*"))[-1:]


def environment_in(drop_in):
    """The variables that a drop-in of systemd sets."""
    lines = re.findall(r"^Environment=(.*)$", drop_in, re.MULTILINE)
    return dict(word.split("=", 1) for line in lines for word in shlex.split(line))


class Recorded(unittest.TestCase):
    """Services that are really started, with the library of the build tree in the place of the installed one."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="pqleash-example.")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        # A service's own user makes its ledgers' directory in it.
        os.chmod(self.directory, 0o777)
        self.ledgers = os.path.join(self.directory, "ledgers")

    def environment(self, variables):
        self.assertEqual(variables["LD_PRELOAD"], INSTALLED)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PQLEASH_")}
        # /tmp, so that every user can load it, wherever the build tree is.
        library = shutil.copy(LIBRARY, self.directory)
        return {**kept, **variables, "LD_PRELOAD": library, "PQLEASH_DIR": self.ledgers}

    def stop(self, process):
        process.terminate()
        process.communicate(timeout=60)

    def report(self):
        return json.loads(output_of([TOOL, "report", "--no-scan", "--dir", self.ledgers, "--format", "json"]))


@unittest.skipUnless(FPM and shutil.which("cgi-fcgi"), "php-fpm and libfcgi-bin are not installed")
@unittest.skipUnless(os.geteuid() == 0, "takes root: the pool has a user of its own")
class PhpFpm(Recorded):
    def test_pool_is_recorded(self):
        variables = environment_in(read("examples", "php-fpm", "pqleash.conf"))
        pool = read("examples", "php-fpm", "orders.conf")
        socket = os.path.join(self.directory, "orders.socket")
        self.assertIn("listen = /run/php/orders.sock\n", pool)
        pool = pool.replace("/run/php/orders.sock", socket)
        for name, text in (
            ("orders.conf", pool),
            ("fpm.conf", f"[global]\ndaemonize = no\nerror_log = /proc/self/fd/2\ninclude = {self.directory}/orders.conf\n"),
            ("page.php", "<?php $kept = pg_pconnect($_SERVER['DSN']); echo pg_fetch_result(pg_query($kept, 'SELECT 7'), 0);"),
        ):
            with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
                file.write(text)
        words = [FPM[0], "-y", os.path.join(self.directory, "fpm.conf"), "-F"]
        server = subprocess.Popen(words, env=self.environment(variables), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, server)
        said = []
        for line in server.stderr:
            said.append(line)
            if "ready to handle connections" in line:
                break
        else:
            self.fail("php-fpm did not start: " + "".join(said))
        page = os.path.join(self.directory, "page.php")
        dsn = f"host={os.environ['PGHOST']} port={os.environ['PGPORT']} user=postgres dbname=postgres"
        request = {"PATH": os.environ["PATH"], "SCRIPT_FILENAME": page, "SCRIPT_NAME": "/", "REQUEST_METHOD": "GET", "DSN": dsn}
        answer = output_of(["cgi-fcgi", "-bind", "-connect", socket], env=request)
        self.assertEqual(answer.split("\n\n", 1)[1], "7", answer)
        report = self.report()
        self.assertEqual([process["service"] for process in report["processes"]], ["orders-php"])
        self.assertEqual([site["open"] for site in report["call_sites"]], [1])
        self.assertEqual(report["call_sites"][0]["frames"][report["call_sites"][0]["headline"]]["file"], page)


@unittest.skipUnless(os.path.exists("/usr/bin/gunicorn"), "gunicorn is not installed")
class Gunicorn(Recorded):
    def test_workers_are_recorded(self):
        with open(os.path.join(self.directory, "orders.py"), "w", encoding="utf-8") as file:
            file.write(textwrap.dedent("""
                import psycopg2
                kept = []

                def application(environ, start_response):
                    kept.append(psycopg2.connect("application_name=orders"))
                    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
                    return [b"ok"]
                """))
        settings = os.path.join(SOURCE, "examples", "gunicorn", "gunicorn.conf.py")
        # As the example says to start it.
        command = re.search(r"^#   (pqleash run .*)$", read("examples", "gunicorn", "gunicorn.conf.py"), re.MULTILINE)[1]
        words = command.replace("gunicorn.conf.py", settings).split()
        words[words.index("pqleash")] = TOOL
        words[words.index("run") + 1 : words.index("run") + 1] = ["--library", LIBRARY, "--dir", self.ledgers]
        at = words.index("gunicorn")
        words[at : at + 1] = ["/usr/bin/python3", "/usr/bin/gunicorn", "--bind", "127.0.0.1:0", "--error-logfile", "-", "--chdir", self.directory]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PQLEASH_", "PYTHONPATH"))}
        server = subprocess.Popen(words, env=kept, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = []
        try:
            for line in server.stderr:
                said.append(line)
                if match := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line):
                    break
            else:
                self.fail("gunicorn did not start: " + "".join(said))
            for _ in range(3):
                connection = http.client.HTTPConnection("127.0.0.1", int(match[1]), timeout=60)
                connection.request("GET", "/", headers={"Connection": "close"})
                self.assertEqual(connection.getresponse().read(), b"ok")
            report = self.report()
            self.assertEqual({process["service"] for process in report["processes"]}, {"orders"})
            self.assertEqual(sum(site["open"] for site in report["call_sites"]), 3)
        finally:
            server.terminate()
            rest = server.communicate(timeout=60)[1]
        said.append(rest)
        self.assertNotIn("pqleash is not preloaded", "".join(said))
        counts = [int(count) for count in re.findall(r"ends with (\d+) open connections", "".join(said))]
        self.assertEqual(sum(counts), 3, "".join(said))

    def test_it_says_that_nothing_is_recorded(self):
        settings = os.path.join(SOURCE, "examples", "gunicorn", "gunicorn.conf.py")
        words = ["/usr/bin/python3", "/usr/bin/gunicorn", "--config", settings, "--bind", "127.0.0.1:0", "--error-logfile", "-", "wsgiref.simple_server:demo_app"]
        kept = {key: value for key, value in os.environ.items() if key not in ("LD_PRELOAD", "PYTHONPATH")}
        server = subprocess.Popen(words, env=kept, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, server)
        for line in server.stderr:
            if "pqleash is not preloaded: connections are not recorded" in line:
                return
        self.fail("it did not say so")


class Systemd(unittest.TestCase):
    def test_drop_in_sets_what_the_package_installs(self):
        variables = environment_in(read("examples", "systemd", "pqleash.conf"))
        self.assertEqual(variables["LD_PRELOAD"], INSTALLED)
        self.assertEqual(set(variables) - {"LD_PRELOAD"}, {"PQLEASH_SERVICE"})

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_units_with_the_drop_ins_are_right(self):
        for drop_in in ("systemd/pqleash.conf", "php-fpm/pqleash.conf"):
            with tempfile.TemporaryDirectory(prefix="pqleash-unit.") as directory:
                unit = os.path.join(directory, "orders.service")
                with open(unit, "w", encoding="utf-8") as file:
                    file.write("[Service]\nExecStart=/bin/true\n")
                os.mkdir(unit + ".d")
                copy = shutil.copy(os.path.join(SOURCE, "examples", drop_in), unit + ".d")
                words = ["systemd-analyze", "verify", "--man=no", unit]
                result = subprocess.run(words, capture_output=True, text=True, check=False)
                self.assertEqual(result.stderr, "", drop_in)
                # That it is looked at.
                with open(copy, "a", encoding="utf-8") as file:
                    file.write("Environmint=x\n")
                result = subprocess.run(words, capture_output=True, text=True, check=False)
                self.assertIn("Environmint", result.stderr)


class Docker(unittest.TestCase):
    """There is no Docker here: its file is read by the rules of its syntax, and its paths are those of the package."""

    def setUp(self):
        text = re.sub(r"^#.*\n", "", read("examples", "docker", "Dockerfile"), flags=re.MULTILINE)
        lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
        self.steps = [line.split(None, 1) for line in lines]

    def test_instructions(self):
        known = {"ARG", "FROM", "COPY", "RUN", "ENV", "ENTRYPOINT", "CMD"}
        self.assertEqual({word for word, _ in self.steps} - known, set())
        for word, rest in self.steps:
            if word in ("ENTRYPOINT", "CMD"):
                self.assertTrue(all(isinstance(each, str) for each in json.loads(rest)), rest)
            if word == "RUN":
                output_of(["sh", "-n", "-c", rest])

    def test_stages(self):
        stages, arguments = [], set()
        for word, rest in self.steps:
            if word == "ARG":
                arguments.add(rest.split("=")[0])
            if word == "FROM":
                image, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()
                self.assertLessEqual(set(re.findall(r"\$\{(\w+)\}", image)), arguments)
                stages.append(name)
            for stage in re.findall(r"--from=(\S+)", rest):
                self.assertIn(stage, stages)
        self.assertEqual(stages, ["tool", "app"])

    def test_paths(self):
        copied = [rest.split()[1:] for word, rest in self.steps if word == "COPY" and "--from=tool" in rest]
        # Links of the directory lead to the library.
        self.assertEqual(copied, [2 * [f"/usr/{LIBDIR}/libpqleash.so"], 2 * [DIRECTORY]])
        variables = dict(rest.split("=", 1) for word, rest in self.steps if word == "ENV")
        self.assertEqual(variables["LD_PRELOAD"], INSTALLED.replace("$", "\\$"))


@unittest.skipUnless(yaml, "python3-yaml is not installed")
class Kubernetes(unittest.TestCase):
    """There is no Kubernetes here: fields, names and paths are compared with each other."""

    def setUp(self):
        self.deployment = yaml.safe_load(read("examples", "kubernetes", "deployment.yaml"))
        self.pod = self.deployment["spec"]["template"]["spec"]
        (self.init,) = self.pod["initContainers"]
        self.service, self.tool = self.pod["containers"]

    @staticmethod
    def mounts(container):
        return {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}

    @staticmethod
    def variables(container):
        return {variable["name"]: variable["value"] for variable in container["env"]}

    def test_kind_and_labels(self):
        self.assertEqual((self.deployment["apiVersion"], self.deployment["kind"]), ("apps/v1", "Deployment"))
        self.assertEqual(
            self.deployment["spec"]["selector"]["matchLabels"], self.deployment["spec"]["template"]["metadata"]["labels"])

    def test_library_is_put_where_it_is_loaded_from(self):
        *command, source, target = self.init["command"]
        self.assertEqual((command, source), (["cp", "--recursive", "--dereference"], DIRECTORY + "/."))
        self.assertEqual(target, self.mounts(self.init)["pqleash"])
        path = INSTALLED.replace(DIRECTORY, self.mounts(self.service)["pqleash"])
        self.assertEqual(self.variables(self.service)["LD_PRELOAD"], path)

    def test_volumes(self):
        volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        mounted = {name for container in (self.init, self.service, self.tool) for name in self.mounts(container)}
        self.assertEqual(set(volumes), mounted)
        self.assertEqual({name for name in volumes if "emptyDir" not in volumes[name]}, {"secrets"})
        self.assertEqual(volumes["ledgers"]["emptyDir"]["medium"], "Memory")

    def test_tool_sees_what_the_service_records(self):
        directory = self.variables(self.service)["PQLEASH_DIR"]
        self.assertEqual(self.variables(self.tool)["PQLEASH_DIR"], directory)
        for container in (self.service, self.tool):
            self.assertTrue(directory.startswith(self.mounts(container)["ledgers"] + "/"))
        self.assertIs(self.pod["shareProcessNamespace"], True)
        # One user for all: ledgers are their owner's.
        self.assertNotEqual(self.pod["securityContext"]["runAsUser"], 0)
        self.assertEqual([c for c in self.pod["containers"] if "securityContext" in c], [])

    def options(self):
        return dict(word.removeprefix("--").split("=", 1) for word in self.tool["args"][1:])

    def test_metrics_are_where_they_are_looked_for(self):
        port = self.tool["ports"][0]["containerPort"]
        self.assertEqual(self.tool["args"][0], "serve")
        self.assertTrue(self.options()["listen"].endswith(f":{port}"))
        annotations = self.deployment["spec"]["template"]["metadata"]["annotations"]
        self.assertEqual((annotations["prometheus.io/port"], annotations["prometheus.io/scheme"]), (str(port), "https"))

    def test_the_tool_accepts_its_arguments(self):
        # All but the address, and that the secret is there.
        with tempfile.TemporaryDirectory() as directory:
            secrets = self.mounts(self.tool)["secrets"]
            where = lambda path: directory + path.removeprefix(secrets)
            options = self.options()
            output_of(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                       "-subj", "/CN=pqleash", "-out", where(options["tls-cert"]), "-keyout", where(options["tls-key"])])
            with open(where(options["auth-file"]), "w", encoding="utf-8") as file:
                file.write("bearer TOKEN\n")
            os.chmod(file.name, 0o600)
            words = [word.replace("=" + secrets, "=" + directory).replace("0.0.0.0:9878", "127.0.0.1:0")
                     for word in self.tool["args"]]
            with subprocess.Popen([TOOL, *words], env={**os.environ, "PQLEASH_DIR": directory + "/ledgers"},
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serve:
                line = serve.stdout.readline()
                serve.terminate()
                self.assertEqual(serve.wait(20), 0, serve.stderr.read())
        self.assertRegex(line, "^listening on https://127.0.0.1:[0-9]+")


if __name__ == "__main__":
    unittest.main()
