"""A PyTorch module of logits, whichever backend Keras runs on."""

import contextlib
import hashlib

import keras
import numpy as np
import torch
from keras import ops


class LogitsModule(torch.nn.Module):
    """Logits of NCHW images with values from 0 to 1, in inference mode.

    Args:
        logits: The `DifferentiableLogits`.
        value_range: `(lower, upper)` bounds of the Keras model's images.
    """

    def __init__(self, logits, value_range):
        super().__init__()
        native = keras.backend.backend() == "torch"
        self.logits = logits if native else _Bridge(logits)
        self.channels = logits.image_shape[-1]
        self.lower, self.width = value_range[0], value_range[1] - value_range[0]
        # Tools take the device of the first parameter. Those of the model are
        # none of this module, so that no tool changes them.
        place = ops.zeros(()) if native else torch.zeros(())
        self.place = torch.nn.Parameter(place, requires_grad=False)

    def forward(self, images):
        if images.ndim != 4 or self.channels not in (None, images.shape[1]):
            raise ValueError(
                "Expected images with channels first, (batch, "
                f"{self.channels or 'channels'}, height, width). Received a "
                f"tensor of shape {tuple(images.shape)}."
            )
        if images.requires_grad:  # Some use `view` on its gradient.
            images.register_hook(torch.Tensor.contiguous)
        if (self.lower, self.width) != (0.0, 1.0):
            images = images * self.width + self.lower
        images = images.permute(0, 2, 3, 1)
        if torch.is_grad_enabled() and images.requires_grad:
            return lenient(self.logits(images))
        return lenient(self.logits.without_gradient(images))


def lenient(logits):
    """Logits that may meet labels of int32; PyTorch's losses take int64."""
    return logits.as_subclass(_Logits)


class _Logits(torch.Tensor):
    """Makes plain tensors of what is computed from these logits."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            args = [_wide(each) for each in args]
            kwargs = {key: _wide(each) for key, each in (kwargs or {}).items()}
            return func(*args, **kwargs)


def _wide(value):
    is_int32 = isinstance(value, torch.Tensor) and value.dtype == torch.int32
    return value.long() if is_int32 else value


def on_numpy(attack, module):
    """An attack on a module, as a function of the Keras model's images.

    Args:
        attack: Function of NCHW images and labels.
        module: The `LogitsModule` that it attacks.
    """
    lower, width = module.lower, module.width

    def run(images, labels):
        x = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        if (lower, width) != (0.0, 1.0):  # Rounding must not leave bounds.
            x = np.clip((x - lower) / width, 0.0, 1.0)
        device = module.place.device
        x = torch.tensor(x, dtype=torch.float32, device=device)
        found = attack(x, torch.tensor(labels, device=device).long())
        found = found[0] if isinstance(found, (tuple, list)) else found
        found = _numpy(found).transpose(0, 2, 3, 1)
        if (lower, width) != (0.0, 1.0):
            found = np.clip(found * width + lower, lower, lower + width)
        return found

    return run


def is_module(value):
    """Tells whether a value is a PyTorch module."""
    return isinstance(value, torch.nn.Module)


def describe_module(module):
    """A dict of plain values that tells one module from another.

    Args:
        module: A `torch.nn.Module`: its class, what it is made of, and a
            checksum of its `state_dict`.
    """
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        if not isinstance(value, torch.Tensor):  # An extra state, of any kind.
            digest.update(f"{name} {value!r}".encode())
            continue
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return {
        "module": f"{type(module).__module__}.{type(module).__qualname__}",
        "structure": repr(module),
        "state_dict": digest.hexdigest(),
    }


@contextlib.contextmanager
def kept_modes(module):
    """A scope after which a module and its parts are in the modes of before."""
    before = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


@contextlib.contextmanager
def torch_seeded(seed):
    """A scope in which PyTorch's random numbers follow from a seed."""
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


class _Bridge:
    """Logits of a model on another backend, for tensors of PyTorch.

    Args:
        logits: The `DifferentiableLogits`.
    """

    def __init__(self, logits):
        self._logits = logits
        self._largest = 1

    def __call__(self, images):
        return _Crossing.apply(images, self._logits, self._size(images))

    def without_gradient(self, images):
        logits = self._logits.predict(_numpy(images), self._size(images))
        return _like(logits, images)

    def _size(self, images):
        # Code compiled for the largest batch so far serves smaller ones too.
        self._largest = max(self._largest, len(images))
        return self._largest


class _Crossing(torch.autograd.Function):
    """Takes images over to Keras' backend, and gradients back."""

    @staticmethod
    def forward(ctx, images, logits, size):
        ((_, values, ctx.gradient),) = logits.batches(_numpy(images), size)
        return _like(values, images)

    @staticmethod
    def backward(ctx, upstream):
        return _like(ctx.gradient(_numpy(upstream)), upstream), None, None


def _numpy(tensor):
    return tensor.detach().cpu().numpy()


def _like(array, tensor):
    return torch.tensor(array, device=tensor.device)
