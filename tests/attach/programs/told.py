# SPDX-License-Identifier: Apache-2.0
# As told.cc, with the driver that is named: psycopg2 or psycopg.
import importlib
import sys

driver = importlib.import_module(sys.argv[1])
connections = []


def open_one():
    return driver.connect("")


print("ready", flush=True)
for line in sys.stdin:
    word, _, count = line.strip().partition(" ")
    if word == "open":
        for _ in range(int(count)):
            connections.append(open_one())
    elif word == "exec":
        connections[-1].cursor().execute("select 1")
    elif word == "close":
        connections.pop().close()
    print("ok", word, flush=True)
for connection in connections:
    connection.close()
print("end", flush=True)
sys.exit(7)
