"""Gradients, loops and the training step on PyTorch."""

import contextlib
import sys

import keras
import torch
from torch.nn.attention import SDPBackend
from torch.nn.attention import sdpa_kernel
from torch.overrides import TorchFunctionMode

from .disconnected import disconnected_error
from .torch_processes import average_over_processes
from .torch_processes import seeds_of_process
from .watch import enters

# Keras' function that brings channels to the front and copies; its convolution
# copies a second time, back to channels last in memory. Should it have another
# name one day, both copies are made again and nothing else changes.
_COPYING = "_transpose_spatial_inputs"


class channels_stay_last(TorchFunctionMode):
    """A scope in which Keras' channels-last images are moved, not copied.

    Results are the same to the last bit, in three quarters of the time.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.contiguous and not kwargs and len(args) == 1:
            (tensor,) = args
            caller = sys._getframe(1).f_code.co_name
            if caller == _COPYING and _is_channels_last(tensor):
                return tensor
        return func(*args, **(kwargs or {}))


def _is_channels_last(tensor):
    return tensor.ndim == 4 and tensor.is_contiguous(
        memory_format=torch.channels_last
    )


SUPPORTS_JIT = False
SAVED_MODEL_OPTIONS = None


def _pullback(outputs, tensors, reusable=False):
    # Differentiable exactly when the caller is: in a training step, but not
    # in an attack or in `evaluate`, which run under `no_grad`.
    create_graph = torch.is_grad_enabled()

    def pullback(cotangent):
        if not outputs.requires_grad:
            raise disconnected_error()
        gradients = torch.autograd.grad(
            outputs,
            tensors,
            cotangent,
            create_graph=create_graph,
            # Freed at once in most attacks, which ask only once.
            retain_graph=create_graph or reusable,
            allow_unused=True,
        )
        if any(gradient is None for gradient in gradients):
            raise disconnected_error()
        return list(gradients)

    return pullback


def _differentiable(x):
    # Detaching a tensor that already has a history would cut the second
    # order: only leaves are replaced.
    return x if x.requires_grad else x.detach().requires_grad_()


def vjp(function, x, reusable=False):
    """Returns `function(x)` and the function from its cotangent to x's.

    Under `no_grad`, that function may be called once unless it is `reusable`.
    """
    # The fused attention kernels have no second derivative.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        x = _differentiable(x)
        outputs = function(x)
    pullback = _pullback(outputs, [x], reusable)
    return outputs, lambda cotangent: pullback(cotangent)[0]


def vjp_inside(function, variables, add_loss):
    """Runs `function(tap)`; differentiates by the tensors given to `tap`.

    `function` returns a tuple whose first item is differentiated. It may
    update `variables` (BatchNorm statistics, seeds); `add_loss` takes losses
    that its layers add.

    Returns the tuple, the list of tensors, and the function from the first
    item's cotangent to the list of theirs.
    """
    del variables, add_loss  # Only JAX has to be told.
    features = []

    def tap(tensor):
        features.append(_differentiable(tensor))
        return features[-1]

    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        outputs = function(tap)
    return outputs, features, _pullback(outputs[0], features)


def repeat(steps, body, state):
    """Applies `state = body(i, state)` for `i` from 0 to `steps - 1`."""
    for i in range(steps):
        state = body(i, state)
    return state


def total(count, function):
    """Adds up the tensors that `function(i)` returns, `i` below `count`."""

    def add(i, sums):
        terms = function(i + 1)
        return keras.tree.map_structure(lambda a, b: a + b, sums, terms)

    return repeat(count - 1, add, function(0)) if count > 1 else function(0)


def when(condition, compute):
    """Returns `compute()`, a float32 scalar, or zero if not `condition`."""
    return keras.ops.cond(
        condition, compute, lambda: keras.ops.zeros((), "float32")
    )


def unrolls_loops():
    """Tells whether a longer `repeat` takes longer to compile."""
    return False


def compiled(function, variables):
    """Runs `function` as it is, without recording gradients of weights."""
    del variables

    def call(*args):
        with torch.no_grad(), channels_stay_last():
            return function(*args)

    return call


def differentiable(function, variables):
    """Runs `function` as it is; the caller may take gradients of it."""
    del variables

    def call(*args):
        with channels_stay_last():
            return function(*args)

    return call


def ensure_shape(x, shape):
    """Returns `x`: nothing is exported."""
    return x


def values_inside(variables):
    """Variables always have their values."""
    return contextlib.nullcontext()


def write_back(model):
    """Does nothing: steps write into the variables themselves."""


def is_traced(x):
    """Tells whether `x` has no values (never so in eager PyTorch)."""
    return isinstance(x, torch.Tensor) and x.device.type == "meta"


def accelerators():
    """The names of the GPUs and TPUs."""
    count = torch.cuda.device_count()
    return [torch.cuda.get_device_name(index) for index in range(count)]


def differentiates(function):
    """Tells whether `function()` takes gradients while it runs."""
    return enters(function, [torch.autograd.grad, torch.autograd.backward])


def readable(x):
    """`x` with its gradient, as a tensor that NumPy reads all the same."""
    if not isinstance(x, torch.Tensor) or not x.requires_grad or is_traced(x):
        return x
    return x.as_subclass(_Readable)


class _Readable(torch.Tensor):
    """A tensor whose values can be read though it has a gradient."""

    # What is computed from it is a plain tensor.
    __torch_function__ = torch._C._disabled_torch_function_impl

    def __array__(self, dtype=None, copy=None):
        values = self.numpy()
        return values if dtype is None else values.astype(dtype, copy=False)

    def numpy(self, *, force=False):
        del force
        return self.detach().cpu().numpy()


def is_torch_module(x):
    """Tells whether `x` is a network of PyTorch."""
    return isinstance(x, torch.nn.Module)


def unscaled(loss):
    """Undoes Keras' division of a loss by the number of replicas, for logs."""
    return loss


class AdversarialTrainer:
    """Hands adversarial batches to Keras' own training and test steps.

    The model that inherits from it also inherits `adversarial_rounds`,
    `clean_batch(data)`, `training_batch(data, previous)` and
    `test_batch(data)`, from `TrainingStep`.
    """

    def prepare(self, labels):
        """Does nothing: Keras builds metrics and optimizer itself here."""

    def train_step(self, data):
        with seeds_of_process(self):
            with torch.no_grad():
                data = self.clean_batch(data)
            adversarial = None
            for _ in range(self.adversarial_rounds):
                with torch.no_grad(), channels_stay_last():
                    batch, adversarial = self.training_batch(data, adversarial)
                with channels_stay_last():
                    logs = self._update(batch)
        average_over_processes(self, [v.value for v in self.kept_averages])
        return logs

    def _update(self, batch):
        if not self.perturbs_weights:
            return super().train_step(batch)
        variables = [v.value for v in self.trainable_variables]
        # As in the published code, the optimizer steps from the moved weights,
        # and the move is taken back afterwards.
        moves = self._moves(batch, variables)
        _shift(variables, moves, 1.0)
        try:
            return super().train_step(batch)
        finally:
            _shift(variables, moves, -1.0)

    def _moves(self, batch, variables):
        """Returns how the weights move against the training on a batch."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        # Only the gradient of this pass is used.
        with keras.StatelessScope():
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight, True)
            loss = self.optimizer.scale_loss(loss)
        gradients = torch.autograd.grad(loss, variables, allow_unused=True)
        average_over_processes(self, [g for g in gradients if g is not None])
        with torch.no_grad():
            return self.weight_perturbation.moves(variables, gradients)

    def test_step(self, data):
        with seeds_of_process(self):
            batch = self.test_batch(data)
        return super().test_step(batch)


@torch.no_grad()
def _shift(variables, moves, sign):
    for variable, move in zip(variables, moves, strict=True):
        if move is not None:
            variable.add_(move, alpha=sign)
