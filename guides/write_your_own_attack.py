"""
Title: Write your own attack
Author: The keras_attn_defense authors
Date created: 2026/11/23
Last modified: 2026/11/23
Description: Change what an attack maximizes, where it starts, how it steps and what it may touch, and find out whether it is any good.
Accelerator: None
"""

"""
## Introduction

Attacks differ in a few things: what they maximize, where they start, how they
step, and what they may change. The rest is the same for all, and the library has
it: loops, norm balls, restarts, compilation and random seeds. So your own attack
is a class of a few lines. It works wherever the others do: in an evaluation, in
training, and from a saved model, on all three backends.

It needs no download and runs in about two minutes on two CPU cores.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras import layers
from keras import ops

import keras_attn_defense as kad

keras.utils.set_random_seed(0)

"""
## A victim

We attack a small network, trained plainly on handwritten digits in cluttered
scenes. For CIFAR-10, change this one line to `kad.datasets.load_cifar10()`.
"""

train, test = kad.datasets.load_digit_scenes()


def block(x, filters, strides):
    x = layers.Conv2D(filters, 3, strides, "same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def make_network():
    inputs = keras.Input(train.images.shape[1:])
    x = block(inputs, 16, strides=2)
    x = block(x, 32, strides=2)
    x = block(x, 64, strides=1)
    x = block(x, 64, strides=1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))


loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

victim = make_network()
victim.compile(keras.optimizers.Adam(5e-3), loss, metrics=["accuracy"])
history = victim.fit(
    train.images, train.labels, batch_size=64, epochs=6, verbose=2
)

images, labels = test.images[:256], test.labels[:256]


def accuracy(model, images):
    predicted = model.predict(images, batch_size=128, verbose=0).argmax(-1)
    return np.mean(predicted == labels)


def compare(attacks):
    for name, attack in attacks.items():
        left = accuracy(victim, attack.run(victim, images, labels).images)
        print(f"{name:<22} leaves {left:.1%}")


print(f"clean: {accuracy(victim, images):.1%}")

"""
`attack.run` takes any number of NumPy images and goes through them in batches.
`attack(model, x, y)`, which we meet below, attacks one batch.

## What it maximizes

An objective is a function of logits and labels that returns one value per image.
The attack maximizes it. This one wants everything to be a 3: it lifts that logit
above all others.
"""


@keras.saving.register_keras_serializable(package="guide")
def towards_three(logits, labels):
    others = ops.where(ops.arange(logits.shape[-1]) == 3, -1e9, logits)
    return logits[:, 3] - ops.max(others, axis=-1)


threes = kad.attacks.PGD(
    epsilon=8 / 255, steps=20, objective=towards_three, seed=0
)
predicted = victim.predict(
    threes.run(victim, images, labels).images, verbose=0
).argmax(-1)
print(f"predicted as 3: {np.mean(predicted == 3):.1%}")

"""
(`PGD(targeted=True)` with labels of 3 does the same. A function is for what has no
name yet.) It is registered so that a model that trains with it can be saved.

## How it steps

`GradientAttack` has the loop. Its methods are hooks:

- `start(images, epsilon)`: where the first step begins;
- `target(victim, images, labels)`: the class of the objective, with 1.0 to leave
  it or -1.0 to reach it;
- `direction(gradient, memory)`: a step of norm one, and whatever it wants to
  remember (`memory(images)` makes the first);
- `perturbation_set(reference)`: what a perturbation may be.

The loop brings what a hook returns back into the ball and the value range, so an
attack cannot cheat by mistake.

This one steps along gradients that are averaged over neighboring pixels
([Dong et al., 2019](https://arxiv.org/abs/1904.02884) do this to fool networks that
they have not seen). It starts in a corner of the ball and aims at the class that
comes second on the clean image. Each hook would also work alone.
"""


@keras.saving.register_keras_serializable(package="guide")
class SmoothRunnerUp(kad.attacks.GradientAttack):
    def __init__(
        self, epsilon=None, step_size=None, steps=10, *, width=3, **kw
    ):
        super().__init__(epsilon, step_size, steps, **kw)
        self.width = width

    def start(self, images, epsilon):
        noise = keras.random.uniform(
            ops.shape(images), -1.0, 1.0, seed=self.seed_generator
        )
        return images + epsilon * ops.sign(noise)

    def target(self, victim, images, labels):
        logits = victim.frozen_logits(images)
        others = ops.where(
            ops.one_hot(labels, logits.shape[-1], dtype="bool"), -1e9, logits
        )
        return ops.cast(ops.argmax(others, axis=-1), "int32"), -1.0

    def direction(self, gradient, memory):
        smooth = ops.average_pool(gradient, self.width, 1, padding="same")
        return self.ball.ascent_direction(smooth), memory

    def get_config(self):
        return {**super().get_config(), "width": self.width}


compare(
    {
        "PGD": kad.attacks.PGD(epsilon=8 / 255, steps=10, seed=0),
        "SmoothRunnerUp(1)": SmoothRunnerUp(8 / 255, width=1, seed=0),
        "SmoothRunnerUp(3)": SmoothRunnerUp(8 / 255, width=3, seed=0),
    }
)

"""
With ten steps each, PGD leaves 18.8 %, ours 19.5 % without smoothing and 39.5 % with
it (torch 2.13 on a CPU, one thread, seed 0). So smoothing only hurts on the network
whose gradients are used. It is made for other networks, which we do not look at here.
A new attack is often no better than PGD. That is why we compare.

Four rules keep such a class working everywhere:

- use only `keras.ops` and `keras.random`, so that it runs on every backend;
- draw random numbers from `self.seed_generator`, so that a seed repeats them;
- take the weights of the model as constants: `victim.frozen_logits`;
- return from `get_config` what `__init__` takes, and register the class.

## What it may change

A threat model says which changes count. Norm balls around the image are the
usual ones. Here is another: the attacker may do anything, but only to a frame of
three pixels around the image. The digit itself is not touched.

`Frame` is a perturbation set: it says how a step is taken and how images are
brought back. For the rest it uses the ball.
"""


class Frame:
    def __init__(self, ball, width):
        self.ball = ball
        self.width = width

    def outside(self, images):
        rows, columns = ops.shape(images)[1:3]
        inner = ops.ones(
            (1, rows - 2 * self.width, columns - 2 * self.width, 1)
        )
        side = (self.width, self.width)
        return ops.pad(inner, ((0, 0), side, side, (0, 0))) == 0

    def projection(self, images, epsilon, value_range):
        project = self.ball.projection(images, epsilon, value_range)
        outside = self.outside(images)
        return lambda x: project(ops.where(outside, x, images))

    def restrict(self, gradient, x, value_range):
        gradient = self.ball.restrict(gradient, x, value_range)
        return ops.where(self.outside(x), gradient, 0.0)


@keras.saving.register_keras_serializable(package="guide")
class FrameAttack(kad.attacks.PGD):
    def __init__(self, epsilon=1.0, step_size=0.1, steps=40, *, width=3, **kw):
        super().__init__(epsilon, step_size, steps, **kw)
        self.width = width

    def perturbation_set(self, reference):
        return Frame(self.ball, self.width)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


frames = FrameAttack(seed=0)
compare({"FrameAttack": frames, "FrameAttack, width 1": FrameAttack(width=1)})

"""
No image withstands it, and with a frame of one pixel only 6.6 % do. That the digit is
untouched does not help a network that never saw such a frame.

## A search without gradients

`SearchAttack` is for attacks that are done with an image once they have succeeded:
images that are done make room for others. A subclass defines `begin`, the state
before the first step, and `step`, the state after one more. States are dicts of
tensors. Three entries are read: the best images, how good they are, and whether
they are a success. Random numbers are drawn in advance, in `draw`, because loops
are compiled.

This one sees only predictions. It shifts the colors of one random row or column to
the border of the ball, and keeps what helps.
"""


@keras.saving.register_keras_serializable(package="guide")
class Stripes(kad.attacks.SearchAttack):
    black_box = True
    passes_to_begin = (1, 0)
    passes_of_step = (1, 0)

    def draw(self, images, steps):
        batch, rows, columns, channels = ops.shape(images)

        def uniform(*shape):
            shape = (steps, batch, *shape)
            return keras.random.uniform(shape, seed=self.seed_generator)

        return {"place": uniform(1, 1, 1), "sign": uniform(1, 1, channels)}

    def begin(self, task):
        return self.judged(task, task.images)

    def step(self, task, state, count, draws):
        _, rows, columns, _ = ops.shape(task.images)
        place = ops.floor(draws["place"] * (rows + columns))
        row = ops.reshape(ops.arange(rows, dtype="float32"), (1, -1, 1, 1))
        column = ops.reshape(
            ops.arange(columns, dtype="float32"), (1, 1, -1, 1)
        )
        stripe = (row == place) | (column + rows == place)
        moved = task.images + task.epsilon * ops.sign(draws["sign"] - 0.5)
        tried = self.judged(
            task, ops.where(stripe, moved, state["adversarial"])
        )
        better = tried["found"] | (tried["score"] > state["score"])
        return kad.attacks.select(better, tried, state)

    def judged(self, task, x):
        project = self.ball.projection(
            task.images, task.epsilon, task.value_range
        )
        x = project(x)
        logits = task.victim.frozen_logits(x)
        margin = kad.attacks.objectives.margin(logits, task.labels)
        return {
            "adversarial": x,
            "score": task.sign * margin,
            "found": task.is_success(logits),
        }


compare(
    {
        "Stripes": Stripes(8 / 255, steps=200, seed=0),
        "Square": kad.attacks.Square(8 / 255, queries=200, seed=0),
    }
)

"""
After 200 queries ours leaves 75.8 % and Square 78.5 %. The difference is seven images:
too few to mean anything. With more queries, Square's shrinking windows should pay off.

## Is it any good?

An attack that finds nothing makes every model look robust, so a mistake in an
attack is worse than one in a model. Test this before you believe a number:

- *It keeps to the rules*: it stays inside the ball and the value range, whatever it
  is given.
- *It is right where the answer is known*: on a linear model, the best change of
  size epsilon lowers the margin by epsilon times the sum of the absolute weights.
- *More does not hurt*: more steps and a larger epsilon break more images, until
  none is left.
- *It is repeatable*: the same seed gives the same images.
"""

own = SmoothRunnerUp(8 / 255, width=1, seed=0)
crafted = own.run(victim, images, labels).images
print("largest change times 255:", 255 * np.abs(crafted - images).max())
print("inside the range:", 0 <= crafted.min() and crafted.max() <= 1)

twin = SmoothRunnerUp(8 / 255, width=1, seed=0)
same = np.array_equal(twin.run(victim, images, labels).images, crafted)
print("repeatable:", same)

for steps in (1, 3, 10, 30):
    attack = SmoothRunnerUp(8 / 255, steps=steps, width=1, seed=0)
    left = accuracy(victim, attack.run(victim, images, labels).images)
    print(f"{steps:>2} steps leave {left:.1%}")

"""
For the linear model we take two classes, whose margin is one scalar product, and
gray images, so that no value reaches the end of its range.
"""

linear = keras.Sequential(
    [keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(2, use_bias=False)]
)
gray = np.full((1, 8, 8, 3), 0.5, "float32")
weights = np.array(linear.get_weights()[0], "float64")
slope = weights[:, 1] - weights[:, 0]
best = slope.sum() / 2 + 0.1 * np.abs(slope).sum()

for attack in (
    kad.attacks.PGD(epsilon=0.1, seed=0),
    SmoothRunnerUp(0.1, width=1, seed=0),
    SmoothRunnerUp(0.1, width=3, seed=0),
):
    logits = linear.predict(attack(linear, gray, np.array([0])), verbose=0)[0]
    print(f"reached {logits[1] - logits[0]:.4f} of {best:.4f}")

"""
PGD and our attack without smoothing reach the best possible value, which `best`
computes from the weights alone. With smoothing, ours stops at 2.68 of 4.19. Now we know
why it was weak above.

## Where it can be used

Use it in an evaluation, beside others. The report counts an image as robust only if
it withstands all of them, and checks that each attack kept to the rules.
"""

report = kad.evaluate_robustness(
    victim,
    images[:128],
    labels[:128],
    attacks={"own": own, "stripes": Stripes(steps=200), "pgd": "pgd"},
    epsilons=8 / 255,
    verbose=0,
)
report.summary()

"""
Use it in training, and after loading. For the report, the frame is not a ball around
the image (its epsilon is the whole range), but a model can be trained against it all
the same. With the two weights at zero this is plain adversarial training.
"""

hardened = kad.AttentionDefendedModel(
    make_network(),
    attack=FrameAttack(steps=5, step_size=0.4),
    rectification_weight=0,
    preservation_weight=0,
    validation_attack=None,
)
hardened.compile(keras.optimizers.Adam(5e-3), loss, metrics=["accuracy"])
history = hardened.fit(
    train.images, train.labels, batch_size=64, epochs=8, verbose=2
)

hardened.save("hardened.keras")
loaded = keras.saving.load_model("hardened.keras")
print("loaded with its attack:", type(loaded.attack).__name__)

for name, model in {"plain": victim, "hardened": loaded.base}.items():
    attacked = frames.run(model, images, labels).images
    print(
        f"{name:<9} clean {accuracy(model, images):.1%}  "
        f"framed {accuracy(model, attacked):.1%}"
    )

"""
The hardened network keeps 60.5 % under the frame and 95.3 % on clean images, the
plain one 0.0 and 94.5 %. The evaluation takes 40 steps and the training five. The
picture shows what fools the plain network.
"""

adversarial = ops.convert_to_numpy(frames(victim, images[:4], labels[:4]))

figure = kad.visualization.perturbation_figure(
    images[:4],
    adversarial,
    labels[:4],
    victim.predict(images[:4], verbose=0).argmax(-1),
    victim.predict(adversarial, verbose=0).argmax(-1),
)
figure.savefig("frames.png")
figure

"""
## What to take home

- Change one thing: the objective if the goal is new, a hook if the method is new, a
  perturbation set if the rules are new.
- Compare a new attack with PGD at the same number of gradients, and with
  AutoAttack, before you call it strong.
- To add yours to the library, put it in `attacks/` and pass it to
  `run_attack_test` (in `tests/testing.py`). It checks the rules above and more: that
  the model is left as it was, that an image's result does not depend on its
  neighbors in the batch, and that the attack can be saved.
"""
