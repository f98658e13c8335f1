"""Stand between a layer and one of its functions while a model runs."""

import contextlib
import functools
import threading
from collections.abc import Iterator

_lock = threading.RLock()
_here = threading.local()


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
    handlers.append((_scope(), handler))
    try:
        yield
    finally:
        handlers.pop()
        _close(owner, name, dispatcher)


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Inside, only handlers are run that were opened inside.

    For a model that runs another, or itself, on the way to its answer: who
    listens to the model does not hear that.
    """
    outer = _scope()
    _here.scope = object()
    try:
        yield
    finally:
        _here.scope = outer


def _scope():
    return getattr(_here, "scope", None)


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
        # Of contexts inside one another, the innermost handles the call alone.
        scope, handler = handlers()[-1] if handlers() else (None, None)
        if handler is None or scope is not _scope():
            return original(*args, **kwargs)
        return handler(original, *args, **kwargs)

    dispatcher.handlers = handlers
    dispatcher.users = 0
    return dispatcher
