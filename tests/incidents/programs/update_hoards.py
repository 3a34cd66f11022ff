# SPDX-License-Identifier: Apache-2.0
"""Outage 1: an update made one component hold far more connections than it needs.

The shop's orders go through a pool of two. The component that counts each tenant's orders has got a cache in the update:
a connection for each of its 25 tenants, opened when the tenant's turn comes for the first time and kept. It works with
one at a time.
"""

import threading
import time

import psycopg2

TENANTS = 25


def say(line):
    print(line, flush=True)


class OrderPool:
    """Two connections, shared by the threads that take orders."""

    def __init__(self):
        self.idle = [self.open() for _ in range(2)]
        self.available = threading.Semaphore(2)

    def open(self):
        conn = psycopg2.connect("application_name=orders")
        conn.autocommit = True
        return conn

    def execute(self, statement):
        with self.available:
            conn = self.idle.pop()
            try:
                conn.cursor().execute(statement)
            finally:
                self.idle.append(conn)


class TenantStatistics:
    def __init__(self):
        self.connections = {}

    def connection_of(self, tenant):
        if tenant not in self.connections:
            conn = psycopg2.connect(f"application_name=statistics-{tenant}")
            conn.autocommit = True
            self.connections[tenant] = conn
        return self.connections[tenant]

    def count_orders(self, tenant):
        self.connection_of(tenant).cursor().execute("select count(*) from pg_class")


def take_orders(pool):
    while True:
        pool.execute("select pg_sleep(0.02)")
        say("done")
        time.sleep(0.15)


def main():
    pool = OrderPool()
    for _ in range(2):
        threading.Thread(target=take_orders, args=[pool], daemon=True).start()
    statistics = TenantStatistics()
    say("onset")
    while True:
        for tenant in range(TENANTS):
            try:
                statistics.count_orders(tenant)
            except psycopg2.OperationalError as error:
                say(f"failed: tenant {tenant}: {str(error).splitlines()[0][:100]}")
            time.sleep(0.1)


main()
