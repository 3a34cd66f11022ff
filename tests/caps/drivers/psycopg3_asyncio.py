# SPDX-License-Identifier: Apache-2.0
import asyncio
import time

import psycopg

from at_limit import connect_when_told

TICK = 0.01


async def tick(gaps):
    """The longest that the loop was kept from what it has to do."""
    before = time.monotonic()
    while True:
        await asyncio.sleep(TICK)
        now = time.monotonic()
        gaps.append(now - before)
        before = now


async def open_while_ticking():
    gaps = []
    ticker = asyncio.create_task(tick(gaps))
    try:
        connection = await psycopg.AsyncConnection.connect("application_name=at_limit")
        cursor = await connection.execute("SELECT 42")
        return (await cursor.fetchone())[0]
    finally:
        ticker.cancel()
        # Of a wait of a second: one that blocks leaves one gap.
        print("ticks", "went on" if max(gaps, default=0) < 0.3 else f"stood still for {max(gaps)} s")


connect_when_told(lambda: asyncio.run(open_while_ticking()), psycopg.OperationalError)
