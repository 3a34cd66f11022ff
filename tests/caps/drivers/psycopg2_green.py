# SPDX-License-Identifier: Apache-2.0
import psycopg2
import psycopg2.extensions
import psycopg2.extras

from at_limit import connect_when_told


def connect():
    connection = psycopg2.connect("application_name=at_limit")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 42")
        return cursor.fetchone()[0]


# What gevent and eventlet do.
psycopg2.extensions.set_wait_callback(psycopg2.extras.wait_select)
connect_when_told(connect, psycopg2.OperationalError)
