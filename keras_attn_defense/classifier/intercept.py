"""Stand between a layer and one of its functions while a model runs."""

import contextlib
import functools
import threading

_lock = threading.RLock()


@contextlib.contextmanager
def intercept(owner, name, handler):
    """Inside, `owner.name(...)` runs `handler(original, ...)` instead.

    Only calls of the thread that opened the context are handled: distribution
    strategies trace their replicas in several threads, and another thread may
    be serving predictions. Afterwards `owner` is as it was.

    Args:
        owner: The object, for example a layer.
        name: Name of the callable attribute, for example `"call"`.
        handler: Called with the original callable and the arguments.
    """
    dispatcher = _open(owner, name)
    handlers = dispatcher.handlers()
    handlers.append(handler)
    try:
        yield
    finally:
        handlers.pop()
        _close(owner, name, dispatcher)


def _open(owner, name):
    with _lock:
        current = vars(owner).get(name)
        if not hasattr(current, "handlers"):
            dispatcher = _dispatcher(getattr(owner, name))
            dispatcher.replaced = current
            # An attribute of the instance hides the method of its class. If
            # another context is open on it already, in any thread, its
            # dispatcher serves this one too.
            vars(owner)[name] = current = dispatcher
        current.users += 1
        return current


def _close(owner, name, dispatcher):
    with _lock:
        dispatcher.users -= 1
        if dispatcher.users:
            return
        if dispatcher.replaced is None:
            del vars(owner)[name]
        else:
            vars(owner)[name] = dispatcher.replaced


def _dispatcher(original):
    local = threading.local()

    def handlers():
        if not hasattr(local, "stack"):
            local.stack = []
        return local.stack

    @functools.wraps(original)
    def dispatcher(*args, **kwargs):
        if not handlers():
            return original(*args, **kwargs)
        # Of contexts inside one another, the innermost handles the call alone.
        return handlers()[-1](original, *args, **kwargs)

    dispatcher.handlers = handlers
    dispatcher.users = 0
    return dispatcher
