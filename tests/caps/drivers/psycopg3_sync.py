# SPDX-License-Identifier: Apache-2.0
import psycopg

from at_limit import connect_when_told


def connect():
    connection = psycopg.connect("application_name=at_limit")
    return connection.execute("SELECT 42").fetchone()[0]


connect_when_told(connect, psycopg.OperationalError)
