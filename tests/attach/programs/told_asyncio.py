# SPDX-License-Identifier: Apache-2.0
# As told.cc, with psycopg's asynchronous connections.
import asyncio
import sys

import psycopg

connections = []


async def open_one():
    return await psycopg.AsyncConnection.connect("")


async def main():
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, _, count = line.strip().partition(" ")
        if word == "open":
            for _ in range(int(count)):
                connections.append(await open_one())
        elif word == "exec":
            await connections[-1].execute("select 1")
        elif word == "close":
            await connections.pop().close()
        print("ok", word, flush=True)
    for connection in connections:
        await connection.close()
    print("end", flush=True)


asyncio.run(main())
sys.exit(7)
