"""Starts programs of tests that train one model together."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time


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
    environment = {
        **os.environ,
        # XLA's threads: with as few as devices an all-reduce can wait for ever.
        "NPROC": "16",
    }
    with contextlib.ExitStack() as stack:
        outputs, errors = (
            [
                stack.enter_context(tempfile.TemporaryFile("w+"))
                for _ in range(count)
            ]
            for _ in range(2)
        )
        processes = []
        for index in range(count):
            given = [str(index), str(count), addresses, *map(str, args)]
            process = subprocess.Popen(
                [sys.executable, "-m", module, *given],
                env=environment,
                stdout=outputs[index],
                stderr=errors[index],
            )
            stack.callback(process.kill)
            processes.append(process)
        failed = _first_to_fail(processes, time.monotonic() + timeout)
        for file in (*outputs, *errors):
            file.seek(0)
        assert failed is None, errors[failed].read()[-3000:]
        return [json.loads(each.read().splitlines()[-1]) for each in outputs]


def _first_to_fail(processes, deadline):
    """Waits for the processes; returns the number of one that failed."""
    while any(each.poll() is None for each in processes):
        for number, each in enumerate(processes):
            # The others would wait for it.
            if each.poll() or time.monotonic() > deadline:
                return number
        time.sleep(0.05)
    return next((i for i, each in enumerate(processes) if each.poll()), None)
