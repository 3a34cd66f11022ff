# SPDX-License-Identifier: Apache-2.0
"""Two tests of a program that talks to PostgreSQL (PGHOST and its kin say where): one closes what
it opens, one does not."""

import psycopg2
import pytest

kept = []


def connect_for_audit():
    return psycopg2.connect("")


def test_orders_are_listed():
    connection = psycopg2.connect("")
    connection.close()


def test_orders_are_audited():
    # Kept in a list that only grows, as a forgotten cache does.
    kept.append(connect_for_audit())


@pytest.mark.keeps_connections
def test_pool_is_filled():
    kept.append(psycopg2.connect(""))
