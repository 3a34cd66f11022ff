# SPDX-License-Identifier: Apache-2.0
#
# gunicorn with two workers; one of them serves one request, the other two.
import http.client
import os
import re
import subprocess
import sys


def get(connection):
    connection.request("GET", "/report", headers={"Connection": "close"})
    return connection.getresponse().read().decode()


def port_of(lines):
    for line in lines:
        if match := re.search(rb"Listening at: http://127\.0\.0\.1:(\d+)", line):
            return int(match[1])
    sys.exit("gunicorn did not start")


def drive(port):
    # A connection without a request keeps the worker that has accepted it: what comes later is for the other one.
    first = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    first.connect()
    for _ in range(2):
        print("user", get(http.client.HTTPConnection("127.0.0.1", port, timeout=60)))
    print("user", get(first))


words = ["/usr/bin/python3", "/usr/bin/gunicorn", "--workers", "2", "--bind", "127.0.0.1:0", "--error-logfile", "-"]
words += ["--chdir", os.path.dirname(os.path.abspath(__file__)), "gunicorn_app:application"]
server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
try:
    drive(port_of(server.stderr))
    print("ready", flush=True)
    sys.stdin.readline()
finally:
    server.terminate()
    server.communicate()
print("done")
