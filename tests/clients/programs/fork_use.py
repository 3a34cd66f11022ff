# SPDX-License-Identifier: Apache-2.0
#
# A forked child that talks over a connection of its parent.
import os
import sys

import psycopg2

reports = []


def open_report():
    connection = psycopg2.connect("application_name=report_service")  # LEAK
    connection.autocommit = True
    reports.append(connection)


def load_user():
    connection = psycopg2.connect("application_name=report_service")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        print("user", cursor.fetchone()[0])
    connection.close()


for _ in range(2):
    open_report()
load_user()
sys.stdout.flush()
child = os.fork()
if child == 0:
    reports[0].cursor().execute("SELECT 1")
    os._exit(0)
print("child", os.waitpid(child, 0)[1])
print("ready", flush=True)
sys.stdin.readline()
print("done")
