"""Processes that train one model together, on PyTorch."""

import contextlib
import warnings

import keras
import torch
import torch.distributed as dist

from .seeds import SEEDS_APART
from .seeds import states_of_seeds


def process(model):
    """The number of this process, and how many train a model together."""
    # Before 3.16, Keras trains each by itself.
    if not hasattr(model, "ddp_model") or not dist.is_initialized():
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def gathered(model, text):
    """The texts of all processes that train a model together, in order."""
    texts = [None] * process(model)[1]
    dist.all_gather_object(texts, text)
    return texts


def devices(model):
    """How many devices each batch is divided among, in all processes."""
    return process(model)[1]


def check_together(model):
    """Warns if this process trains by itself, though there are others."""
    if dist.is_initialized() and not hasattr(model, "ddp_model"):
        warnings.warn(
            "This is one of several processes, and trains by itself: Keras "
            f"exchanges gradients from version 3.16 on, and this is "
            f"{keras.__version__}. `pip install keras-nightly`.",
            stacklevel=5,
        )


@contextlib.contextmanager
def seeds_of_process(model):
    """A scope in which each process draws other random numbers."""
    number = process(model)[0]
    if number == 0:
        yield
        return
    # As a signed number of 32 bits, which wraps around.
    distance = (number * SEEDS_APART + 2**31) % 2**32 - 2**31
    seeds = [v.value for v in states_of_seeds(model.variables)]
    _shift(seeds, distance)
    try:
        yield
    finally:
        _shift(seeds, -distance)


@torch.no_grad()
def _shift(seeds, distance):
    for seed in seeds:
        seed[0] += distance


@torch.no_grad()
def average_over_processes(model, tensors):
    """Gives tensors the mean of their values in all processes, in place."""
    count = process(model)[1]
    if count == 1 or not tensors:
        return
    # One exchange for all of them.
    flat = torch.cat([each.float().ravel() for each in tensors])
    dist.all_reduce(flat)
    parts = flat.div_(count).split([each.numel() for each in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
