"""All that Keras itself does not offer on every backend.

Each backend file defines the same names, so that two of them can be compared
line by line, and so do those whose names end in `_processes`:

- `vjp(function, x)`: outputs, and their gradient with respect to `x`; several
  gradients with `reusable=True`.
- `vjp_inside(function, variables, add_loss)`: the same for tensors
  inside `function`.
- `repeat(steps, body, state)`: a loop of known length.
- `total(count, function)`: a sum over a number of calls.
- `when(condition, compute)`: a scalar that is computed under a condition.
- `unrolls_loops()`: whether a longer loop takes longer to compile.
- `compiled(function, variables)`: one compiled call.
- `differentiable(function, variables)`: the same for a caller that takes
  gradients of it.
- `values_inside(variables)`: a scope for shape inference inside a step.
- `write_back(model)`: what compiled steps hold comes back into the model's
  variables, before `fit` does so itself.
- `is_traced(x)`: whether `x` belongs to a step that is being compiled.
- `accelerators()`: the names of GPUs and TPUs.
- `differentiates(function)`: whether a function takes gradients.
- `ensure_shape(x, shape)`: an exported graph refuses another shape than that.
- `readable(x)`: a tensor that NumPy reads, even with a gradient.
- `is_torch_module(x)`: whether something is a network of PyTorch.
- `process(model)`: which of the processes this is that train a model together,
  and of how many.
- `gathered(model, text)`: what each of them has to say.
- `devices(model)`: how many devices each batch is divided among.
- `check_together(model)`: they are such that they can.
- `unscaled(loss)`: a loss as a single device would have it.
- `SUPPORTS_JIT`: whether a training step can be compiled as a whole.
- `SAVED_MODEL_OPTIONS`: what Keras is told when it writes a SavedModel; None
  where it cannot.
- `NoGradientError`: what the gradients above raise where there is none.
- `AdversarialTrainer`: crafts adversarial images before Keras' own step.
"""

import keras

from .disconnected import NoGradientError as NoGradientError

match keras.backend.backend():
    case "tensorflow":
        from . import tensorflow as _chosen
        from . import tensorflow_processes as _together
    case "jax":
        from . import jax as _chosen
        from . import jax_processes as _together
    case "torch":
        from . import torch as _chosen
        from . import torch_processes as _together
    case other:
        raise ImportError(
            "keras_attn_defense needs gradients and runs on the Keras "
            f"backends 'tensorflow', 'jax' and 'torch'. Received: '{other}'. "
            "Set the environment variable KERAS_BACKEND to one of them "
            "before Keras is imported."
        )

SAVED_MODEL_OPTIONS = _chosen.SAVED_MODEL_OPTIONS
SUPPORTS_JIT = _chosen.SUPPORTS_JIT
AdversarialTrainer = _chosen.AdversarialTrainer
accelerators = _chosen.accelerators
check_together = _together.check_together
compiled = _chosen.compiled
devices = _together.devices
differentiable = _chosen.differentiable
differentiates = _chosen.differentiates
ensure_shape = _chosen.ensure_shape
gathered = _together.gathered
is_torch_module = _chosen.is_torch_module
is_traced = _chosen.is_traced
process = _together.process
readable = _chosen.readable
repeat = _chosen.repeat
total = _chosen.total
unrolls_loops = _chosen.unrolls_loops
unscaled = _chosen.unscaled
values_inside = _chosen.values_inside
vjp = _chosen.vjp
vjp_inside = _chosen.vjp_inside
when = _chosen.when
write_back = _chosen.write_back
