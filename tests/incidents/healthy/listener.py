# SPDX-License-Identifier: Apache-2.0
"""Healthy: a connection that waits for notifications for hours, beside one that does some work."""

import select

import psycopg2

listening = psycopg2.connect("application_name=listener")
listening.autocommit = True
listening.cursor().execute("listen orders")
working = psycopg2.connect("application_name=worker")
working.autocommit = True
print("serving", flush=True)
while True:
    ready, _, _ = select.select([listening], [], [], 0.5)
    if ready:
        listening.poll()
    working.cursor().execute("select 1")
