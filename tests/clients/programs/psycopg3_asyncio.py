# SPDX-License-Identifier: Apache-2.0
import asyncio
import sys

import psycopg

reports = []


async def open_report():
    connection = await psycopg.AsyncConnection.connect("application_name=report_service")  # LEAK
    reports.append(connection)


async def load_user():
    connection = await psycopg.AsyncConnection.connect("application_name=report_service")
    cursor = await connection.execute("SELECT current_user")
    print("user", (await cursor.fetchone())[0])
    await connection.close()


async def serve():
    for _ in range(2):
        await open_report()
    await load_user()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print("done")


asyncio.run(serve())
