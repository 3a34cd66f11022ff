# SPDX-License-Identifier: Apache-2.0
import multiprocessing
import sys

import psycopg2

reports = []


def open_report():
    connection = psycopg2.connect("application_name=report_service")  # LEAK
    reports.append(connection)


def load_user():
    connection = psycopg2.connect("application_name=report_service")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        user = cursor.fetchone()[0]
    connection.close()
    return user


def work(users, stop):
    open_report()
    users.put(load_user())
    stop.wait()


def main():
    context = multiprocessing.get_context("fork")
    users, stop = context.Queue(), context.Event()
    workers = [context.Process(target=work, args=(users, stop)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in workers:
        print("user", users.get())
    print("ready", flush=True)
    sys.stdin.readline()
    stop.set()
    for worker in workers:
        worker.join()
    print("done")


main()
