# SPDX-License-Identifier: Apache-2.0
#
# scripts/in-distribution on a system whose only layer is this machine's root directory.
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

SOURCE = os.environ["PQLEASH_TEST_SOURCE"]
SCRIPT = os.path.join(SOURCE, "scripts", "in-distribution")
SUITE = "here"


def can_make_namespaces():
    words = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@unittest.skipUnless(os.geteuid() == 0 and can_make_namespaces(), "not root with the right to make namespaces")
class InDistribution(unittest.TestCase):
    def setUp(self):
        # A tmpfs takes the upper layer of an overlay wherever the test runs; an overlay does not.
        self.base = tempfile.mkdtemp(prefix="pqleash-distribution.", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, self.base)
        self.cache = os.path.join(self.base, "systems", SUITE)
        self.layers = os.path.join(self.cache, "layers")
        self.runs = os.path.join(self.cache, "runs")
        os.makedirs(self.layers)
        os.makedirs(self.runs)
        os.symlink("/", os.path.join(self.layers, "0000"))

    def words(self, *words, options=()):
        return [SCRIPT, "--no-shared", *options, SUITE, "--", *words]

    def environment(self):
        return {**os.environ, "PQLEASH_CACHE_HOME": self.base}

    def run_script(self, *words, options=(), command=None):
        return subprocess.run(
            command or self.words(*words, options=options),
            env=self.environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def mounts(self):
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return [line for line in file if self.base in line]

    def processes(self):
        """The processes that have the test's directory among their arguments or as their root."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                    if self.base in file.read():
                        found.append(pid)
            except OSError:
                pass
        return found

    def assert_nothing_left(self):
        self.assertEqual((self.mounts(), self.processes(), os.listdir(self.runs)), ([], [], []))

    def test_the_exit_code_and_the_output_are_the_commands(self):
        result = self.run_script("sh", "-c", "pwd; ls scripts/in-distribution; id -u; echo word >&2; exit 7")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (7, "/src/pqleash\nscripts/in-distribution\n0\n", "word\n"))
        self.assert_nothing_left()

    def test_what_the_command_changes_is_thrown_away(self):
        result = self.run_script("sh", "-c", "echo changed >/etc/pqleash-test && echo changed >README.md")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertFalse(os.path.exists("/etc/pqleash-test"))
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
            self.assertNotEqual(file.read(), "changed\n")
        self.assertEqual(self.run_script("test", "!", "-e", "/etc/pqleash-test").returncode, 0)
        self.assert_nothing_left()

    def test_keep_keeps_what_a_command_that_succeeds_changes(self):
        change = "echo kept >/etc/pqleash-test"
        self.assertEqual(self.run_script("sh", "-c", f"{change}; exit 3", options=["--keep"]).returncode, 3)
        self.assertEqual(os.listdir(self.layers), ["0000"])
        self.assertEqual(self.run_script("sh", "-c", change, options=["--keep"]).returncode, 0)
        self.assertEqual(sorted(os.listdir(self.layers)), ["0000", "0001"])
        self.assertEqual(self.run_script("cat", "/etc/pqleash-test").stdout, "kept\n")
        self.assert_nothing_left()

    def test_work_keeps_the_tree_and_follows_its_changes(self):
        work = os.path.join(self.base, "work")
        built = self.run_script("sh", "-c", "mkdir build && echo built >build/product", options=["--work", work])
        self.assertEqual(built.returncode, 0, built.stderr)
        # A file that an earlier copy brought, and that is gone since.
        gone = os.path.join(work, "a_gone_file")
        with open(os.path.join(work, ".in-distribution"), "rb+") as file:
            names = file.read()
            file.seek(0)
            file.write(b"a_gone_file\0" + names)
        with open(gone, "w", encoding="utf-8"):
            pass
        again = self.run_script("cat", "build/product", options=["--work", work])
        self.assertEqual((again.returncode, again.stdout), (0, "built\n"), again.stderr)
        self.assertFalse(os.path.exists(gone))
        self.assert_nothing_left()

    def check_interrupted(self, number, code):
        """A command with a daemon of its own ends with the script, whatever ends that."""
        # The child holds the write end of the pipe: its end is the last of them.
        words = self.words("sh", "-c", "trap '' TERM HUP INT; setsid sleep 1000 & echo started; wait")
        with subprocess.Popen(words, env=self.environment(), stdout=subprocess.PIPE, text=True) as process:
            self.assertEqual(process.stdout.readline(), "started\n")
            process.send_signal(number)
            self.assertEqual(process.stdout.read(), "")
            self.assertEqual(process.wait(), code)
        self.assertEqual(self.mounts(), [])

    def test_a_signal_ends_everything(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.check_interrupted(number, 128 + number)
            self.assert_nothing_left()

    def test_sigkill_ends_everything_but_a_directory_that_the_next_run_removes(self):
        self.check_interrupted(signal.SIGKILL, -signal.SIGKILL)
        self.assertEqual(len(os.listdir(self.runs)), 1)
        self.assertEqual(self.run_script("true").returncode, 0)
        self.assert_nothing_left()

    def check_refused(self, command, code, *parts):
        result = self.run_script(command=command)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)
        if code == 1:
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertEqual((self.mounts(), self.processes()), ([], []))

    def test_bad_arguments_are_refused_in_one_sentence(self):
        self.check_refused([SCRIPT], 2, "Usage:")
        self.check_refused([SCRIPT, SUITE, "true"], 2, "Usage:")
        self.check_refused([SCRIPT, SUITE, "--"], 2, "Usage:")
        self.check_refused([SCRIPT, "--wrong", SUITE, "--", "true"], 1, "unknown option --wrong")
        self.check_refused([SCRIPT, "--work", "", SUITE, "--", "true"], 1, "--work wants a directory")
        self.check_refused([SCRIPT, "../x", "--", "true"], 1, "'../x' is no name of a suite", "trixie")

    def test_without_a_network_no_system_is_made(self):
        if shutil.which("debootstrap") is None:
            self.skipTest("debootstrap is not installed")
        self.check_refused(["unshare", "--net", SCRIPT, "nowhere", "--", "true"], 1, "apt")
        self.assertFalse(os.path.exists(os.path.join(self.base, "systems", "nowhere")))

    def test_a_full_disk_is_said(self):
        if shutil.which("debootstrap") is None:
            self.skipTest("debootstrap is not installed")
        words = ["unshare", "--mount", "sh", "-c",
                 'mount -t tmpfs -o size=8m tmpfs "$1" && export PQLEASH_CACHE_HOME=$1 && exec "$2" nowhere -- true',
                 "sh", self.base, SCRIPT]
        self.check_refused(words, 1, "MiB of free space", "PQLEASH_CACHE_HOME")
        # And in a run, whose tree does not fit.
        small = words[:4] + ['mount -t tmpfs -o size=1m tmpfs "$1/systems/here/runs" && exec "$2" here -- true', *words[5:]]
        self.check_refused(small, 1, "the tree cannot be copied", "No space left")


if __name__ == "__main__":
    unittest.main()
