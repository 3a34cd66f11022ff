# SPDX-License-Identifier: Apache-2.0
#
# php-fpm with two pools of one worker each, and one request to each of them: which worker serves which request is
# certain. The argument is an empty directory of this run.
import glob
import os
import subprocess
import sys

directory = sys.argv[1]
page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "php_fpm_page.php")
pools = ("front", "back")


def socket_of(pool):
    return os.path.join(directory, pool + ".socket")


def configuration():
    lines = ["[global]", "daemonize = no", "error_log = /proc/self/fd/2"]
    for pool in pools:
        lines += [f"[{pool}]", f"listen = {socket_of(pool)}", "pm = static", "pm.max_children = 1", "clear_env = no"]
        if os.geteuid() == 0:
            lines += ["user = root", "group = root"]
    return "\n".join(lines) + "\n"


def request(pool):
    environment = {"PATH": os.environ["PATH"], "SCRIPT_FILENAME": page, "SCRIPT_NAME": "/", "REQUEST_METHOD": "GET"}
    words = ["cgi-fcgi", "-bind", "-connect", socket_of(pool)]
    answer = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    print(pool, answer.stdout.decode().split("\r\n\r\n", 1)[1].strip())


with open(os.path.join(directory, "fpm.conf"), "w", encoding="utf-8") as file:
    file.write(configuration())
words = [sorted(glob.glob("/usr/sbin/php-fpm*"))[-1], "-y", file.name, "-F"]
if os.geteuid() == 0:
    words.append("-R")
server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
try:
    if not any(b"ready to handle connections" in line for line in server.stderr):
        sys.exit("php-fpm did not start")
    for name in pools:
        request(name)
    print("ready", flush=True)
    sys.stdin.readline()
finally:
    server.terminate()
    server.communicate()
print("done")
