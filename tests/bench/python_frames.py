# SPDX-License-Identifier: Apache-2.0
"""Prints the median time, in ns, of a connect and a finish by ctypes at a depth of 20 Python frames.

Argument: the stand-in libpq.
"""

import ctypes
import statistics
import sys
import time

DEPTH = 20
CALLS = 3000


def deeper(depth, call):
    return call() if depth == 1 else deeper(depth - 1, call)


def main():
    libpq = ctypes.CDLL(sys.argv[1])
    connect, finish = libpq.PQconnectdb, libpq.PQfinish
    connect.restype = ctypes.c_void_p
    finish.argtypes = [ctypes.c_void_p]
    times = []

    def once():
        begin = time.perf_counter_ns()
        finish(connect(b""))
        times.append(time.perf_counter_ns() - begin)

    for _ in range(CALLS):
        deeper(DEPTH - 2, once)  # main and the module are two more
    print(statistics.median(times))


main()
