# SPDX-License-Identifier: Apache-2.0
import sys

import psycopg

reports = []


def open_report():
    connection = psycopg.connect("application_name=report_service")  # LEAK
    reports.append(connection)


def load_user():
    with psycopg.connect("application_name=report_service") as connection:
        print("user", connection.execute("SELECT current_user").fetchone()[0])


for _ in range(2):
    open_report()
load_user()
print("ready", flush=True)
sys.stdin.readline()
print("done")
