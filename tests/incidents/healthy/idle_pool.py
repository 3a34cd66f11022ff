# SPDX-License-Identifier: Apache-2.0
"""Healthy: a pool of five that was busy all day and is idle at night. It asks the server for a sign of life now and then."""

import threading
import time

import psycopg2.pool


def work(pool, times):
    for _ in range(times):
        conn = pool.getconn()
        conn.autocommit = True
        conn.cursor().execute("select pg_sleep(0.05)")
        pool.putconn(conn)


pool = psycopg2.pool.ThreadedConnectionPool(5, 5, "application_name=idle-pool")
threads = [threading.Thread(target=work, args=[pool, 20]) for _ in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("serving", flush=True)
while True:
    time.sleep(60)
