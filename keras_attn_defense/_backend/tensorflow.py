"""Gradients, loops and the training step on TensorFlow."""

import contextlib
import functools
import sys

import keras
import tensorflow as tf

from .disconnected import disconnected_error
from .tensorflow_processes import average_over_devices
from .tensorflow_processes import process
from .tensorflow_processes import seeds_of_device
from .watch import enters

SUPPORTS_JIT = True
SAVED_MODEL_OPTIONS = {}


def _pullback(tape, outputs, x):
    def pullback(cotangent):
        # Asked outside of `tape`, so that an outer tape records it: this is
        # what makes attention maps differentiable.
        gradients = tape.gradient(outputs, x, output_gradients=cotangent)
        if any(gradient is None for gradient in tf.nest.flatten([gradients])):
            raise disconnected_error()
        return gradients

    return pullback


def vjp(function, x, reusable=False):
    """Returns `function(x)` and the function from its cotangent to x's."""
    del reusable  # It always is.
    with tf.GradientTape(
        persistent=True, watch_accessed_variables=False
    ) as tape:
        tape.watch(x)
        outputs = function(x)
    return outputs, _pullback(tape, outputs, x)


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
    with tf.GradientTape(
        persistent=True, watch_accessed_variables=False
    ) as tape:

        def tap(tensor):
            tape.watch(tensor)
            features.append(tensor)
            return tensor

        outputs = function(tap)
    return outputs, features, _pullback(tape, outputs[0], features)


def repeat(steps, body, state):
    """Applies `state = body(i, state)` for `i` from 0 to `steps - 1`.

    A `while` loop runs as fast as the unrolled graph here and is built in a
    fraction of the time.
    """
    if steps == 1 or tf.executing_eagerly():
        for i in range(steps):
            state = body(i, state)
        return state
    return tf.while_loop(
        lambda i, _: i < steps,
        lambda i, state: (i + 1, body(i, state)),
        (tf.constant(0), state),
    )[1]


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
    """Compiles `function(*tensors)`, which may read and write `variables`."""
    del variables
    # TensorFlow takes functions of one line of code for one that is traced too
    # often, and warns; of a partial it knows no line.
    function = functools.partial(function)
    return tf.function(function, autograph=False, reduce_retracing=True)


def differentiable(function, variables):
    """Compiles `function(*tensors)`, which only reads `variables`.

    The caller may take gradients of it, as of any function of TensorFlow.
    """
    return compiled(function, variables)


def ensure_shape(x, shape):
    """Servers do not compare the shapes that they receive with a signature."""
    return tf.ensure_shape(x, shape)


def values_inside(variables):
    """Variables always have their values."""
    return contextlib.nullcontext()


def write_back(model):
    """Does nothing: steps write into the variables themselves."""


def is_traced(x):
    """Tells whether `x` is a tensor of a graph under construction."""
    return tf.is_tensor(x) and not hasattr(x, "numpy")


def accelerators():
    """The names of the GPUs and TPUs."""
    details = tf.config.experimental.get_device_details
    return [
        details(device).get("device_name", device.name)
        for device in tf.config.list_physical_devices()
        if device.device_type != "CPU"
    ]


def differentiates(function):
    """Tells whether `function()` takes gradients while it runs."""
    tape = tf.GradientTape
    eagerly = tf.config.functions_run_eagerly()
    # Compiled code would not show it.
    tf.config.run_functions_eagerly(True)
    try:
        return enters(
            function, [tape.gradient, tape.jacobian, tape.batch_jacobian]
        )
    finally:
        tf.config.run_functions_eagerly(eagerly)


def readable(x):
    """NumPy reads every tensor here."""
    return x


def is_torch_module(x):
    """Tells whether `x` is a network of PyTorch, where that is in use."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.nn.Module)


def unscaled(loss):
    """Undoes Keras' division of a loss by the number of replicas, for logs."""
    return loss * tf.distribute.get_strategy().num_replicas_in_sync


class AdversarialTrainer:
    """Hands adversarial batches to Keras' own training and test steps.

    The model that inherits from it also inherits `adversarial_rounds`,
    `clean_batch(data)`, `training_batch(data, previous)` and
    `test_batch(data)`, from `TrainingStep`.
    """

    def prepare(self, labels):
        """Creates the variables of metrics and optimizer before the step.

        Created inside of it, they would make TensorFlow trace it twice.

        Args:
            labels: The first labels that it will see.
        """
        if self.train_function is not None or self.test_function is not None:
            return
        # Under a distribution strategy Keras does this itself.
        strategy = tf.distribute.get_strategy()
        if tf.distribute.has_strategy() or strategy != self.distribute_strategy:
            return
        if self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        outputs = tf.zeros((1, self.classifier.num_outputs))
        self.compute_metrics(None, labels[:1], outputs)
        self.reset_metrics()

    def train_step(self, data):
        with seeds_of_device(self.variables):
            data = self.clean_batch(data)
            adversarial = None
            for _ in range(self.adversarial_rounds):
                batch, adversarial = self.training_batch(data, adversarial)
                logs = self._update(batch)
        average_over_devices(self.kept_averages)
        return self._reducible(logs)

    def _update(self, batch):
        if not self.perturbs_weights:
            return super().train_step(batch)
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise ValueError(
                "`weight_perturbation` on several devices is not possible with "
                "TensorFlow: each would move its own copy of the weights. "
                "Train on one device, or with JAX."
            )
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
        with keras.StatelessScope(), tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight, True)
            loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(loss, variables)
        return self.weight_perturbation.moves(variables, gradients)

    def test_step(self, data):
        with seeds_of_device(self.variables):
            batch = self.test_batch(data)
        return self._reducible(super().test_step(batch))

    def _reducible(self, logs):
        # Of several processes, Keras averages logs along their first axis.
        if process(self)[1] == 1:
            return logs
        return {name: tf.reshape(value, (1,)) for name, value in logs.items()}

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Of several processes, Keras would average their first batches, and
        # fails at that: its issue 20585. Any batch tells it the shapes.
        if process(self)[1] > 1 and iterator is not None:
            data_batch = next(iter(iterator.data_adapter.get_tf_dataset()))
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)


def _shift(variables, moves, sign):
    for variable, move in zip(variables, moves, strict=True):
        if move is not None:
            variable.assign_add(sign * move)
