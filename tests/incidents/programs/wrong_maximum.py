# SPDX-License-Identifier: Apache-2.0
"""Outage 5: a deploy shipped a wrong maximum pool size.

Four workers, each with a pool that is filled when it starts. The deploy says 10 where it said 2. A worker goes on with as
many as it got, and tries again later for the one that it cannot do without.
"""

import os
import time

import psycopg2

WORKERS = 4
POOL_SIZE = 10  # as deployed; it was 2


def say(line):
    os.write(1, f"{line}\n".encode())


class WorkerPool:
    def __init__(self):
        self.idle = []

    def open(self):
        conn = psycopg2.connect("application_name=worker")
        conn.autocommit = True
        return conn

    def fill(self):
        while len(self.idle) < POOL_SIZE:
            try:
                self.idle.append(self.open())
            except psycopg2.OperationalError as error:
                say(f"failed: {str(error).splitlines()[0][:100]}")
                return


def serve():
    pool = WorkerPool()
    while True:
        if not pool.idle:
            pool.fill()
        if pool.idle:
            conn = pool.idle.pop(0)
            conn.cursor().execute("select pg_sleep(0.03)")
            pool.idle.append(conn)
            say("done")
        time.sleep(0.2)


def main():
    say("onset")
    for _ in range(WORKERS - 1):
        if os.fork() == 0:
            break
    serve()


main()
