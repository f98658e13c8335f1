"""Starts programs of tests that train one model together."""

import contextlib
import json
import os
import socket
import subprocess
import sys


def free_addresses(count):
    """Addresses of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [f"localhost:{each.getsockname()[1]}" for each in sockets]


def run_together(module, *args, count=2, timeout=300):
    """Runs `python -m module INDEX COUNT ADDRESSES *args` in each process.

    Returns:
        What each printed in its last line, as JSON.
    """
    addresses = ",".join(free_addresses(count))
    command = [sys.executable, "-m", module]
    environment = {
        **os.environ,
        # XLA's threads: with as few as devices an all-reduce can wait for ever.
        "NPROC": "16",
    }
    processes = [
        subprocess.Popen(
            [*command, str(index), str(count), addresses, *map(str, args)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(count)
    ]
    try:
        found = [each.communicate(timeout=timeout) for each in processes]
    finally:
        for each in processes:
            each.kill()
    for each, (_, errors) in zip(processes, found, strict=True):
        assert each.returncode == 0, errors[-3000:]
    return [json.loads(output.splitlines()[-1]) for output, _ in found]
