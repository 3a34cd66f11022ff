# SPDX-License-Identifier: Apache-2.0
import sys

import psycopg2
import psycopg2.extensions
import psycopg2.extras

reports = []


def open_report():
    connection = psycopg2.connect("application_name=report_service")  # LEAK
    reports.append(connection)


def load_user():
    connection = psycopg2.connect("application_name=report_service")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        print("user", cursor.fetchone()[0])
    connection.close()


# What gevent and eventlet do.
psycopg2.extensions.set_wait_callback(psycopg2.extras.wait_select)
for _ in range(2):
    open_report()
load_user()
print("ready", flush=True)
sys.stdin.readline()
print("done")
