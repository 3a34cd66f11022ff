# SPDX-License-Identifier: Apache-2.0
"""Fails the test that leaves a PostgreSQL connection open, and prints the stack that opened it.

Run with `pqleash run -- pytest`, or LD_PRELOAD='.../pqleash/$LIB/libpqleash.so' pytest; without it the fixture
does nothing. Mark tests that keep a connection on purpose, to fill a pool say:

    @pytest.mark.keeps_connections
"""

import ctypes
import gc
import time

import pytest

_library = ctypes.CDLL(None)  # what is preloaded is found from here
if hasattr(_library, "pqleash_stack"):
    _library.pqleash_opened_since.restype = ctypes.c_size_t
    _library.pqleash_opened_since.argtypes = [ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t]
    _library.pqleash_stack.restype = ctypes.c_size_t
    _library.pqleash_stack.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "keeps_connections: may leave PostgreSQL connections open")


@pytest.fixture(autouse=True)
def no_connection_is_left_open(request):
    since = time.monotonic_ns()
    yield
    allowed = request.node.get_closest_marker("keeps_connections")
    if allowed or not hasattr(_library, "pqleash_stack"):
        return
    gc.collect()  # what only waits to be collected is no leak
    handles = (ctypes.c_void_p * 64)()
    count = _library.pqleash_opened_since(since, handles, len(handles))
    stacks = []
    for handle in handles[:count]:
        text = ctypes.create_string_buffer(16384)
        _library.pqleash_stack(handle, text, len(text))
        frames = text.value.decode(errors="replace").splitlines()
        # From pytest's own frames on it is the same for all tests.
        end = next((i for i, frame in enumerate(frames) if "/_pytest/" in frame), len(frames))
        stacks.append("\n".join(frames[:end]))
    if count:
        pytest.fail(f"{count} PostgreSQL connection(s) left open, opened at\n" + "\n".join(stacks),
                    pytrace=False)
