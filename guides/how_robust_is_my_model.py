"""
Title: How robust is my model?
Author: The keras_attn_defense authors
Date created: 2026/11/22
Last modified: 2026/11/26
Description: Measure what survives the strongest attacks, and notice when a number is misleading.
Accelerator: None
"""

"""
## Introduction

A classifier that is right on 98 of 100 test images may be right on none of
them after changes that nobody sees. The share that remains is its *robust
accuracy*. It is easy to get wrong: a weak attack makes every model look robust.
This guide measures it with attacks that need no tuning, reads the report, and
then looks at a model that only seems to be robust.

It needs no download and runs in a few minutes on two CPU cores.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
from keras import layers

import keras_attn_defense as kad

keras.utils.set_random_seed(0)

"""
## Two networks

The data are real handwritten digits in cluttered scenes. To use your own, put
`images` (floats from 0 to 1) and `labels` (integers) in their place. For CIFAR-10,
change this one line to `kad.datasets.load_cifar10()`.
"""

train, test = kad.datasets.load_digit_scenes()


def block(x, filters, strides):
    x = layers.Conv2D(filters, 3, strides, "same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def make_network():
    inputs = keras.Input(train.images.shape[1:])
    x = block(inputs, 16, strides=2)
    x = block(x, 32, strides=2)
    x = block(x, 64, strides=1)
    x = block(x, 64, strides=1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))


"""
The first is trained as usual. The second comes with the library: it was trained on
adversarial images, made fresh for each batch, and has a card that says how.
"""

loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

plain = make_network()
plain.compile(keras.optimizers.Adam(5e-3), loss, metrics=["accuracy"])
plain.fit(train.images, train.labels, epochs=6, verbose=2)

hardened = kad.zoo.load("digit_scenes")
card = kad.zoo.card("digit_scenes")
print(
    f"{card['training']['preset']}, epsilon {card['eps']}: "
    f"{card['clean_acc']} % clean, {card['autoattack_acc']} % under AutoAttack"
)

"""
## One call

`evaluate_robustness` takes a model and labeled images, here 64 of the test set.
Without further arguments it runs three quick attacks: one gradient step (FGSM),
twenty steps with three random starts (PGD), and a search that uses only
predictions (Square). An image is robust if it withstands all of them.
"""

images, labels = test.images[:64], test.labels[:64]

quick = kad.evaluate_robustness(
    plain,
    images,
    labels,
    epsilons=[2 / 255, 4 / 255, 8 / 255],
    dataset="digit scenes",
    gallery=24,
    verbose=0,
)
quick.summary()
quick.save("quick.html")

"""
Read the worst case first: it is the number that counts. `quick.html` shows the same
in a browser, with 24 of the images before and after the attacks. Below the table are
the checks. None of them should be raised; we come back to them below.

## The number to publish

AutoAttack runs four attacks, one after another, with settings that are not
tuned to the model. Leaderboards such as RobustBench rank by it. Each attack tries
only the images that are still classified correctly. This takes time: a minute or
two for these 24 images.
"""

reports = {}
for name, model in {"plain": plain, "hardened": hardened}.items():
    reports[name] = kad.evaluate_robustness(
        model,
        images[:24],
        labels[:24],
        attacks="autoattack",
        epsilons=8 / 255,
        dataset="digit scenes",
        verbose=0,
    )
    print(f"\n{name}")
    reports[name].summary()

"""
24 images are few. The intervals in the table say how far off the numbers may be.
For a paper, use a thousand or more; `state="file"` lets you interrupt such a run
and go on later.

Reports can be saved as JSON cards, whose first fields are those of RobustBench,
and compared. `plot` draws accuracy against epsilon.
"""

for name, report in reports.items():
    report.save(f"{name}.json")

print(kad.evaluation.compare(["plain.json", "hardened.json"]))
figure = quick.plot("plain.png")
figure

"""
## An attack that knows the defense

A defense may only work against attacks that ignore it. Here the hardened network
learns for one more epoch, with two losses on its attention. To find out what they
are worth, attack them too: `objective="defense"` maximizes what the training
minimized.
"""

defended = kad.AttentionDefendedModel(
    hardened, attack=kad.attacks.PGD(epsilon=8 / 255, steps=4)
)
defended.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
defended.fit(train.images, train.labels, batch_size=64, epochs=1, verbose=2)

adaptive = kad.attacks.APGD(steps=30, objective="defense", seed=0)
unaware = kad.attacks.APGD(steps=30, seed=0)
report = kad.evaluate_robustness(
    defended,
    images,
    labels,
    attacks={"unaware": unaware, "adaptive": adaptive},
    epsilons=8 / 255,
    verbose=0,
)
report.summary()

"""
Both run to the end, and the worst case counts. If the adaptive attack found much
more than the other, the losses would have hidden the way, not closed it.

## A number that misleads

Rounding the colors of the input to a few levels looks like a defense: PGD finds
hardly anything. But only the gradient is gone; it is zero almost everywhere. The
report says so.
"""


class FewColors(layers.Layer):
    def call(self, inputs):
        rounded = keras.ops.round(inputs * 15.0) / 15.0
        return rounded + 0.0 * (inputs - keras.ops.stop_gradient(inputs))


masked = keras.Sequential(
    [keras.Input(train.images.shape[1:]), FewColors(), plain]
)
report = kad.evaluate_robustness(
    masked, images, labels, epsilons=8 / 255, verbose=0
)
report.summary()

"""
Square, which needs no gradient, breaks images that PGD does not. That is a warning
sign: a white-box attack knows more and should never do worse. `BPDA` replaces the
slope of the rounding by that of the identity, and the defense is gone.
"""

report = kad.evaluate_robustness(
    kad.attacks.BPDA(masked, masked.layers[0]),
    images,
    labels,
    attacks="pgd",
    epsilons=8 / 255,
    verbose=0,
)
report.summary()

"""
Here are some of these images: clean, after the attack that was not fooled, and
the change, magnified.
"""

attack = kad.attacks.PGD(epsilon=8 / 255, steps=20, seed=0)
adversarial = attack(plain, images[:4], labels[:4])

figure = kad.visualization.perturbation_figure(
    images[:4],
    adversarial,
    labels[:4],
    plain.predict(images[:4], verbose=0).argmax(-1),
    masked.predict(adversarial, verbose=0).argmax(-1),
)
figure.savefig("fallen.png")
figure

"""
## What to take home

- Report accuracy on clean images, and the worst case over several attacks,
  AutoAttack among them, with the interval and the seed. The card has all of it.
- Attack what is special about your defense.
- If a check is raised, the number is not what it seems.

The same from a shell:

```
python -m keras_attn_defense evaluate model.keras --data test.npz \\
    --attacks autoattack --epsilon 8/255 --out card.json
```
"""
