# SPDX-License-Identifier: Apache-2.0
"""Healthy: a long analytical transaction in progress: its statement takes minutes, and nobody waits between statements."""

import psycopg2

conn = psycopg2.connect("application_name=analytics")
cursor = conn.cursor()
cursor.execute("create temporary table totals as select 1 as total")
print("serving", flush=True)
cursor.execute("select pg_sleep(600)")
