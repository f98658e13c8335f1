"""Gradients, loops and the training step on JAX."""

import contextlib
import sys

import jax
import keras

from .disconnected import disconnected_error
from .watch import enters

SUPPORTS_JIT = True
SAVED_MODEL_OPTIONS = {
    "jax2tf_kwargs": {
        # Otherwise a server needs the kind of device that JAX runs on here.
        "native_serialization_platforms": ("cpu", "cuda", "tpu"),
        # Nobody differentiates what is served.
        "with_gradient": False,
    }
}

# How many terms of a sum are computed at once on the CPU.
_SIDE_BY_SIDE = 10


def vjp(function, x, reusable=False):
    """Returns `function(x)` and the function from its cotangent to x's."""
    del reusable  # It always is.
    outputs, pullback = jax.vjp(function, x)
    return outputs, _checked(pullback)


def vjp_inside(function, variables, add_loss):
    """Runs `function(tap)`; differentiates by the tensors given to `tap`.

    `function` returns a tuple whose first item is differentiated. It may
    update `variables` (BatchNorm statistics, seeds); `add_loss` takes losses
    that its layers add.

    Returns the tuple, the list of tensors, and the function from the first
    item's cotangent to the list of theirs.
    """
    values = [variable.value for variable in variables]

    def run(probes=None):
        features = []

        def tap(tensor):
            features.append(tensor)
            if probes is None:
                return tensor
            return tensor + probes[len(features) - 1]

        # Updates inside `jax.vjp` would leak its tracers: they leave as
        # auxiliary outputs and are applied below.
        with keras.StatelessScope(
            zip(variables, values, strict=True), collect_losses=True
        ) as scope:
            first, *rest = function(tap)
        updates = [scope.get_current_value(v) for v in variables]
        return first, (rest, features, updates, scope.losses)

    # Adding probes of zeros to the features and differentiating by them gives
    # their gradients without taking the model apart.
    specs = jax.eval_shape(lambda: run()[1][1])
    probes = [jax.numpy.zeros(spec.shape, spec.dtype) for spec in specs]
    first, pullback, aux = jax.vjp(run, probes, has_aux=True)
    rest, features, updates, losses = aux
    for variable, update in zip(variables, updates, strict=True):
        if not variable.trainable:
            variable.assign(update)
    if losses:
        add_loss(losses)
    return (first, *rest), features, _checked(pullback)


def _checked(pullback):
    """`pullback`, with an error where the gradient does not exist."""

    def checked(cotangent):
        # JAX answers zeros there: look whether the program uses its input.
        # A function of its own, as JAX writes out what it is given for a name.
        program = jax.make_jaxpr(lambda c: pullback(c))(cotangent).jaxpr
        dependent = {id(variable) for variable in program.invars}
        for equation in program.eqns:
            if any(id(variable) in dependent for variable in equation.invars):
                dependent.update(id(variable) for variable in equation.outvars)
        if any(id(variable) not in dependent for variable in program.outvars):
            raise disconnected_error()
        return pullback(cotangent)[0]

    return checked


def repeat(steps, body, state):
    """Applies `state = body(i, state)` for `i` from 0 to `steps - 1`.

    XLA's convolutions inside loops are many times slower on the CPU, so the
    steps are unrolled there; elsewhere a loop compiles in constant time.
    """
    if steps == 1 or unrolls_loops():
        for i in range(steps):
            state = body(i, state)
        return state
    return jax.lax.fori_loop(0, steps, body, state)


def unrolls_loops():
    """Tells whether a longer `repeat` takes longer to compile."""
    return jax.default_backend() == "cpu"


def total(count, function):
    """Adds up the tensors that `function(i)` returns, `i` below `count`.

    Where loops are unrolled, some of the terms are computed side by side: a
    program for each of them would take long to compile.
    """
    if count == 1:
        return function(0)
    if unrolls_loops():
        sums = None
        for first in range(0, count, _SIDE_BY_SIDE):
            numbers = jax.numpy.arange(first, min(count, first + _SIDE_BY_SIDE))
            terms = jax.tree.map(
                lambda terms: terms.sum(0), jax.vmap(function)(numbers)
            )
            sums = terms if sums is None else _sum(sums, terms)
        return sums
    return repeat(
        count - 1, lambda i, sums: _sum(sums, function(i + 1)), function(0)
    )


def _sum(first, second):
    return jax.tree.map(lambda a, b: a + b, first, second)


def when(condition, compute):
    """Returns `compute()`, a float32 scalar, or zero if not `condition`.

    XLA's convolutions inside conditions are as slow on the CPU as in loops: it
    is computed in any case there.
    """
    if unrolls_loops():
        return jax.numpy.where(condition, compute(), 0.0)
    return jax.lax.cond(
        condition, compute, lambda: jax.numpy.zeros((), "float32")
    )


def compiled(function, variables):
    """Compiles `function(*tensors)`, which may read and write `variables`."""
    changing = [v for v in variables if not v.trainable]
    frozen = [v for v in variables if v.trainable]

    @jax.jit
    def pure(values, *args):
        mapping = zip(changing + frozen, values, strict=True)
        with keras.StatelessScope(mapping) as scope:
            # Variables enter as arguments and leave as results: traced code
            # must neither keep their values nor write tracers into them.
            outputs = function(*args)
        return outputs, [scope.get_current_value(v) for v in changing]

    def call(*args):
        values = [variable.value for variable in changing + frozen]
        outputs, updates = pure(values, *args)
        for variable, update in zip(changing, updates, strict=True):
            variable.assign(update)
        return outputs

    return call


def differentiable(function, variables):
    """Compiles `function(*tensors)`, which only reads `variables`.

    The caller may take gradients of it, as of any function of JAX.
    """

    @jax.jit
    def pure(values, *args):
        with keras.StatelessScope(zip(variables, values, strict=True)):
            return function(*args)

    return lambda *args: pure([v.value for v in variables], *args)


def ensure_shape(x, shape):
    """Returns `x`: what JAX has exported compares shapes by itself."""
    return x


def values_inside(variables):
    """A scope in which variables have values, for inferring shapes.

    Keras takes the values away from the variables of a model that it fits,
    and passes them through a scope that does not reach into this one.
    """
    values = [(variable, variable.value) for variable in variables]
    return keras.StatelessScope(values)


def write_back(model):
    """Writes what `fit` hands from step to step into the variables."""
    model.jax_state_sync()


def is_traced(x):
    """Tells whether `x` stands for a value inside a transformation."""
    return isinstance(x, jax.core.Tracer)


def accelerators():
    """The names of the GPUs and TPUs."""
    return [d.device_kind for d in jax.devices() if d.platform != "cpu"]


def differentiates(function):
    """Tells whether `function()` takes gradients while it runs."""
    # Compiled code would not show it.
    with jax.disable_jit():
        return enters(function, [jax.vjp, jax.jvp, jax.linearize])


def readable(x):
    """NumPy reads every tensor here."""
    return x


def is_torch_module(x):
    """Tells whether `x` is a network of PyTorch, where that is in use."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.nn.Module)


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

    def make_train_function(self, force=False):
        with self._as_a_new_function("train_step"):
            return super().make_train_function(force)

    def make_test_function(self, force=False):
        with self._as_a_new_function("test_step"):
            return super().make_test_function(force)

    @contextlib.contextmanager
    def _as_a_new_function(self, name):
        # JAX takes the bound methods of one model for one function, and would
        # go on with what it traced, as long as anybody holds the old one.
        step = getattr(self, name)
        vars(self)[name] = lambda *args: step(*args)
        try:
            yield
        finally:
            del vars(self)[name]

    def train_step(self, state, data):
        data, state = self._stateless(self.clean_batch, state, data)
        adversarial = None
        for _ in range(self.adversarial_rounds):
            (batch, adversarial), state = self._stateless(
                self.training_batch, state, data, adversarial
            )
            logs, state = self._update(state, batch)
        return logs, state

    def _update(self, state, batch):
        if not self.perturbs_weights:
            return super().train_step(state, batch)
        weights, *rest = state
        # As in the published code, the optimizer steps from the moved weights,
        # and the move is taken back afterwards.
        moves = self._moves(state, batch)
        moved = _plus(weights, moves, 1.0)
        logs, (weights, *rest) = super().train_step((moved, *rest), batch)
        return logs, (_plus(weights, moves, -1.0), *rest)

    def _moves(self, state, batch):
        """Returns how the weights move against the training on a batch."""
        weights, non_trainable, optimizer, metrics = state
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        # Only the gradient of this pass is used.
        gradients, _ = jax.grad(self.compute_loss_and_updates, has_aux=True)(
            weights,
            non_trainable,
            metrics,
            x,
            y,
            sample_weight,
            training=True,
            optimizer_variables=optimizer,
        )
        return self.weight_perturbation.moves(weights, gradients)

    def test_step(self, state, data):
        batch, state = self._stateless(self.test_batch, state, data)
        return super().test_step(state, batch)

    def _stateless(self, method, state, *args):
        """Runs `method(*args)`; its updates go into the state."""
        trainable, non_trainable, *optimizer, metrics = state
        changing = [*self.non_trainable_variables, *self.metrics_variables]
        # `state` has the values that Keras hands from step to step, in the
        # order of the model's variables. Inside the scope they stand for these.
        mapping = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(changing, [*non_trainable, *metrics], strict=True),
        ]
        with keras.StatelessScope(mapping) as scope:
            result = method(*args)
        updated = [scope.get_current_value(v) for v in changing]
        split = len(non_trainable)
        non_trainable, metrics = updated[:split], updated[split:]
        return result, (trainable, non_trainable, *optimizer, metrics)


def _plus(weights, moves, sign):
    pairs = zip(weights, moves, strict=True)
    return [w if v is None else w + sign * v for w, v in pairs]
