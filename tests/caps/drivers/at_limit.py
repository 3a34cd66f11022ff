# SPDX-License-Identifier: Apache-2.0
"""Connects at a word of stdin, and says what came of it."""

import sys
import time


def connect_when_told(connect, expected):
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.monotonic()
    try:
        answer = f"value {connect()}"
    except expected as error:
        answer = f"error {str(error).strip()}".replace("\n", " ")
    print(f"after {time.monotonic() - begin:.3f}")
    print(answer)
    print("done", flush=True)
