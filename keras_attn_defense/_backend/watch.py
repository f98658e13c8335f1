"""A look at whether running a function enters certain others."""

import inspect
import sys


def enters(function, watched):
    """Calls `function()`, and tells whether it entered one of `watched`.

    The interpreter reports each call, so it does not matter by which name, or
    from which module, a function was called.

    Args:
        function: Takes no arguments.
        watched: Python functions.
    """
    # By their code, which is what the interpreter reports; decorators hide it.
    codes = {inspect.unwrap(each).__code__ for each in watched}
    seen = []

    def report(frame, event, argument):
        if event == "call" and frame.f_code in codes:
            seen.append(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(report)
    try:
        function()
    finally:
        sys.setprofile(before)
    return bool(seen)
