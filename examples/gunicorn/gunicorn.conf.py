# SPDX-License-Identifier: Apache-2.0
#
# Settings of gunicorn for a service that is recorded. Start it under the library, which no setting here could load: the
# dynamic linker has read LD_PRELOAD when Python begins.
#
#   pqleash run --service orders -- gunicorn --config gunicorn.conf.py orders:application
#
# In a unit of systemd: examples/systemd/pqleash.conf.
import ctypes

workers = 2
# A connection that is opened before the fork would be used by all workers: open them in the workers.
preload_app = False

_library = ctypes.CDLL(None)


def _open_connections():
    """Connections that this process has open; None: the library is not there."""
    if not hasattr(_library, "pqleash_open_connections"):
        return None
    return _library.pqleash_open_connections()


def on_starting(server):
    if _open_connections() is None:
        server.log.warning("pqleash is not preloaded: connections are not recorded")


def worker_exit(server, worker):
    count = _open_connections()
    if count:
        server.log.warning("worker %s ends with %s open connections: pqleash report --all --pid %s", worker.pid, count,
                           worker.pid)
