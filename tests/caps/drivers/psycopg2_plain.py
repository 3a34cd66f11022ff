# SPDX-License-Identifier: Apache-2.0
import psycopg2

from at_limit import connect_when_told


def connect():
    connection = psycopg2.connect("application_name=at_limit")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 42")
        return cursor.fetchone()[0]


connect_when_told(connect, psycopg2.OperationalError)
