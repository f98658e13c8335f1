"""A PyTorch module of logits, whichever backend Keras runs on."""

import contextlib

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
        self.logits = logits if native else _bridge(logits)
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
        return self.logits(images.permute(0, 2, 3, 1))


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


@contextlib.contextmanager
def torch_seeded(seed):
    """A scope in which PyTorch's random numbers follow from a seed."""
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def _bridge(logits):
    """Logits of another backend's model, as a function of PyTorch tensors."""
    largest = 1

    def call(images):
        nonlocal largest
        # Code compiled for the largest batch serves smaller ones.
        largest = max(largest, len(images))
        if torch.is_grad_enabled() and images.requires_grad:
            return _Bridge.apply(images, logits, largest)
        return _like(logits.predict(_numpy(images), largest), images)

    return call


class _Bridge(torch.autograd.Function):
    """Takes tensors over to Keras' backend, and gradients back."""

    @staticmethod
    def forward(ctx, images, logits, batch_size):
        ((_, values, ctx.gradient),) = logits.batches(
            _numpy(images), batch_size
        )
        return _like(values, images)

    @staticmethod
    def backward(ctx, upstream):
        return _like(ctx.gradient(_numpy(upstream)), upstream), None, None


def _numpy(tensor):
    return tensor.detach().cpu().numpy()


def _like(array, tensor):
    return torch.tensor(array, device=tensor.device)
