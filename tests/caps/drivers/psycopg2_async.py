# SPDX-License-Identifier: Apache-2.0
import select

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ

from at_limit import connect_when_told


def wait(connection):
    while (state := connection.poll()) != POLL_OK:
        if state == POLL_READ:
            select.select([connection.fileno()], [], [])
        else:
            select.select([], [connection.fileno()], [])


def connect():
    connection = psycopg2.connect("application_name=at_limit", async_=1)
    wait(connection)
    cursor = connection.cursor()
    cursor.execute("SELECT 42")
    wait(connection)
    return cursor.fetchone()[0]


connect_when_told(connect, psycopg2.OperationalError)
