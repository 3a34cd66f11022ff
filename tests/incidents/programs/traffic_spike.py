# SPDX-License-Identifier: Apache-2.0
"""Outage 3: a spike of traffic.

A web service that connects for each request and holds the connection for 0.7 s. Four requests a second come in, until
SIGUSR1: then it is 120, of which 84 would be at work at once.
"""

import concurrent.futures
import signal
import threading
import time

import psycopg2

USUAL_PER_SECOND = 4
SPIKE_PER_SECOND = 120

spike = threading.Event()


def say(line):
    print(line, flush=True)


def handle_request():
    try:
        conn = psycopg2.connect("application_name=web")
    except psycopg2.OperationalError as error:
        say(f"failed: {str(error).splitlines()[0][:100]}")
        return
    try:
        conn.autocommit = True
        conn.cursor().execute("select pg_sleep(0.7)")
        say("done")
    finally:
        conn.close()


def begin_spike(_signal, _frame):
    say("onset")
    spike.set()


def main():
    signal.signal(signal.SIGUSR1, begin_spike)
    say("serving")
    due = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(max_workers=64) as requests:
        waiting = []
        while True:
            # Whoever finds the service's queue full goes away.
            waiting = [request for request in waiting if not request.done()]
            if len(waiting) < 128:
                waiting.append(requests.submit(handle_request))
            due += 1 / (SPIKE_PER_SECOND if spike.is_set() else USUAL_PER_SECOND)
            time.sleep(max(0.0, due - time.monotonic()))


main()
