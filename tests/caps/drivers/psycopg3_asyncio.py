# SPDX-License-Identifier: Apache-2.0
import asyncio
import itertools
import time

import psycopg

from at_limit import connect_when_told

TICK = 0.01


async def tick(moments):
    """Notes when the loop came to do something else."""
    while True:
        await asyncio.sleep(TICK)
        moments.append(time.monotonic())


async def open_while_ticking():
    moments = [time.monotonic()]
    ticker = asyncio.create_task(tick(moments))
    try:
        connection = await psycopg.AsyncConnection.connect("application_name=at_limit")
        cursor = await connection.execute("SELECT 42")
        return (await cursor.fetchone())[0]
    finally:
        ticker.cancel()
        moments.append(time.monotonic())
        # A connect that blocks leaves one gap, which is nearly the whole of the wait.
        longest = max(after - before for before, after in itertools.pairwise(moments))
        whole = moments[-1] - moments[0]
        print("ticks", "went on" if longest < whole / 2 else f"stood still for {longest} of {whole} s")


connect_when_told(lambda: asyncio.run(open_while_ticking()), psycopg.OperationalError)
