# SPDX-License-Identifier: Apache-2.0
import select
import sys

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ

reports = []


def wait(connection):
    while (state := connection.poll()) != POLL_OK:
        if state == POLL_READ:
            select.select([connection.fileno()], [], [])
        else:
            select.select([], [connection.fileno()], [])


def open_report():
    connection = psycopg2.connect("application_name=report_service", async_=1)  # LEAK
    wait(connection)
    reports.append(connection)


def load_user():
    connection = psycopg2.connect("application_name=report_service", async_=1)
    wait(connection)
    cursor = connection.cursor()
    cursor.execute("SELECT current_user")
    wait(connection)
    print("user", cursor.fetchone()[0])
    connection.close()


for _ in range(2):
    open_report()
load_user()
print("ready", flush=True)
sys.stdin.readline()
print("done")
