"""Models whose training steps are timed, from plain to fully defended."""

import time

import keras
import numpy as np
from keras import ops
from networks import NETWORKS

from keras_attn_defense.attacks import PGD
from keras_attn_defense.callbacks import WeightAveraging
from keras_attn_defense.data import class_indices
from keras_attn_defense.losses import LabelCrossentropy
from keras_attn_defense.models import AttentionDefendedModel

# Forward passes of one batch. A plain step costs three: forward, gradient by
# the features, gradient by the weights; an attack step needs no gradient by
# the weights. Maps come from the head alone, which is counted as nothing.
PASSES = {
    "plain": lambda steps: 3,
    "averaged": lambda steps: 3,
    "attack": lambda steps: 2 * steps,
    "both": lambda steps: 2 * steps + 6,
    "preservation": lambda steps: 2 * steps + 6,
    "rectification": lambda steps: 2 * steps + 12,
    "defended": lambda steps: 2 * steps + 12,
    "every_fourth": lambda steps: 2 * steps + 7.5,
}
# Without an attack; the second with averaged weights.
_PLAIN = {"plain", "averaged"}
_OFF = {
    "both": {"rectification_weight": 0, "preservation_weight": 0},
    "preservation": {"rectification_weight": 0},
    "rectification": {"preservation_weight": 0},
    "defended": {},
    "every_fourth": {"attention_every": 4},
}


class Run:
    """Steps of one model; returns the CPU seconds of each."""

    def __init__(self, model, x, y, options, attack=False, callbacks=()):
        self.model, self.x, self.y = model, x, y
        self.options, self.attack = options, attack
        self.callbacks = callbacks
        self.traces = 0
        # `compute_loss` runs once for each trace, in eager mode at each step.
        original = model.compute_loss
        model.compute_loss = self._counting(original)

    def __call__(self):
        return self._attack() if self.attack else self._fit()

    def _attack(self):
        batch = self.options.batch_size
        craft = self.model.craft
        if self.model.run_eagerly:
            # Compiled, a loop would run the classifier once in Python.
            craft = _untracked(_steps_of(self.model))
        seconds = []
        for first in range(0, len(self.x), batch):
            part = slice(first, first + batch)
            start = time.process_time()
            ops.convert_to_numpy(craft(self.x[part], self.y[part]))
            seconds.append(time.process_time() - start)
        return seconds

    def _fit(self):
        clock = _Clock()
        self.model.fit(
            self.x,
            self.y,
            batch_size=self.options.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[*self.callbacks, clock],
        )
        return clock.seconds

    def _counting(self, original):
        def compute_loss(*args, **kwargs):
            self.traces += 1
            return original(*args, **kwargs)

        return compute_loss


def _steps_of(model):
    def craft(images, y):
        labels = class_indices(y, model.classifier.num_classes)
        return model._crafted(ops.convert_to_tensor(images), y, labels)

    return craft


def _untracked(craft):
    def call(x, y):
        x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
        return ops.stop_gradient(craft(x, y))

    return call


class _Clock(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        float(logs["loss"])  # Waits until the step is done.
        self.seconds.append(time.process_time() - self.start)


def build(name, options, eager=False):
    """The steps of one variant, a `Run`; `eager` to look inside them."""
    keras.utils.set_random_seed(options.seed)
    random = np.random.default_rng(options.seed)
    count = options.batch_size * (1 if eager else options.steps)
    x = random.uniform(size=(count, 32, 32, 3)).astype("float32")
    y = random.integers(10, size=count)
    model = NETWORKS[options.network](seed=options.seed)
    if name not in _PLAIN:
        attack = PGD(8 / 255, 2 / 255, options.attack_steps, seed=options.seed)
        model = AttentionDefendedModel(model, attack, **_OFF.get(name, {}))
    model.compile(
        keras.optimizers.Adam(1e-4),
        LabelCrossentropy(from_logits=True),
        run_eagerly=eager,
    )
    callbacks = [WeightAveraging()] if name == "averaged" else []
    return Run(model, x, y, options, name == "attack", callbacks)


def forwards(name, options):
    """Batches that really went through the classifier in an eager step.

    On JAX, the maps' probe runs the classifier abstractly, at no cost, and
    is counted too: two more.
    """
    run = build(name, options, eager=True)
    run()
    base = getattr(run.model, "base", run.model)
    images, original = [], base.call

    def call(inputs, *args, **kwargs):
        images.append(inputs.shape[0])
        return original(inputs, *args, **kwargs)

    base.call = call
    run()
    return sum(images) / options.batch_size
