"""
Title: Nine defenses that do not defend
Author: The keras_attn_defense authors
Date created: 2026/11/26
Last modified: 2026/11/26
Description: Put nine published defenses in front of a network, and see what an attack that knows them leaves.
Accelerator: None
"""

"""
## Introduction

Round the colors, compress the image, clean it with a network, move it about at random:
each of these was published as a defense, with high numbers. Each fell when an attack
was told of it. The numbers were high because the attack had looked the wrong way: at a
gradient that was gone, or random, or of another network.

This guide puts nine of them in front of a network and measures each twice: under an
attack that ignores the defense, and under one that knows it. The second takes no work:
the layers of `kad.defenses` say themselves how they have to be attacked, and
`kad.evaluate_robustness` asks them.

It needs no download and runs in about ten minutes on two CPU cores.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras import layers

import keras_attn_defense as kad

keras.utils.set_random_seed(0)

"""
## A network, and what fools it

The data are real handwritten digits in cluttered scenes. To use your own, put images
(floats from 0 to 1) and labels (integers) in their place.
"""

train, test = kad.datasets.load_digit_scenes()


def make_network():
    network = keras.Sequential([keras.Input(train.images.shape[1:])])
    for filters in (24, 48, 96):
        network.add(layers.Conv2D(filters, 3, 2, "same", use_bias=False))
        network.add(layers.BatchNormalization(momentum=0.9))
        network.add(layers.ReLU())
    network.add(layers.Flatten())
    network.add(layers.Dense(10))
    return network


loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
plain = make_network()
plain.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
plain.fit(train.images, train.labels, batch_size=64, epochs=6, verbose=2)

"""
We look only at images that the network classifies correctly, so that clean accuracy
starts at 100 %. Then we let PGD change each pixel by up to 6/255.
"""

epsilon = 6 / 255
correct = plain.predict(test.images, verbose=0).argmax(-1) == test.labels
images, labels = test.images[correct][:64], test.labels[correct][:64]

attack = kad.attacks.PGD(epsilon, steps=20, seed=0)
adversarial = attack.run(plain, images, labels).images
fooled = plain.predict(adversarial, verbose=0).argmax(-1) != labels
print(f"PGD fools the network with {fooled.mean():.1%} of the images")

"""
## Nine defenses

Six need no training. `defend` puts a layer in front of the network; pruning, which works
inside, goes behind each activation, and `AntiAdversary` takes steps the other way before
the network classifies.
"""

defenses = kad.defenses
defended = {
    "bit depth reduction": defenses.defend(
        plain, defenses.BitDepthReduction(2)
    ),
    "JPEG compression": defenses.defend(plain, defenses.JPEGCompression(75)),
    "total variation": defenses.defend(
        plain, defenses.TotalVariationMinimization(draws=5, seed=0)
    ),
    "resizing and padding": defenses.defend(
        plain, defenses.RandomResizePad(draws=10, seed=0)
    ),
    "activation pruning": defenses.defend(
        plain, defenses.StochasticActivationPruning(draws=10, seed=0)
    ),
    "anti-adversary": defenses.defend(plain, defenses.AntiAdversary()),
}

"""
Two learn from adversarial images to clean them. They get those that PGD makes for the
plain network.
"""

few = train.images[:1500], train.labels[:1500]
purifiers = {
    "guided denoiser": defenses.GuidedDenoiser(filters=8),
    "APE-GAN": defenses.APEGAN(),
}
for name, purifier in purifiers.items():
    purifier.learn(plain, *few, attack=attack, epochs=15, learning_rate=2e-3)
    defended[name] = defenses.defend(plain, purifier)

"""
The last is another network: it learns the probabilities of a teacher at a high
temperature, which makes its own logits large and its gradient vanish.
"""

student = make_network()
defended["distillation"] = defenses.distill(
    make_network(),
    student,
    train.images,
    train.labels,
    temperature=20.0,
    epochs=12,
    learning_rate=2e-3,
)

"""
## Two attacks

The attack that ignores the defense has what was made for the plain network; for
distillation, what PGD makes for the student as it is. The other is
`evaluate_robustness`. Some models answer at random, so each accuracy is the mean of
four predictions; in the evaluation an image counts as fooled if a fresh prediction is
wrong.
"""


def accuracy(model, images):
    found = [model.predict(images, verbose=0).argmax(-1) for _ in range(4)]
    return float(np.mean(np.equal(found, labels)))


rows = {}
print(f"{'':<22}{'clean':>8}{'ignored':>9}{'known':>8}")
for name, model in defended.items():
    ignorant = adversarial
    if name == "distillation":
        ignorant = attack.run(student, images, labels).images
    report = kad.evaluate_robustness(
        model,
        images,
        labels,
        attacks={
            "pgd": kad.attacks.PGD(steps=20, restarts=2, seed=0),
            "margin": kad.attacks.PGD(steps=20, objective="margin", seed=0),
        },
        epsilons=epsilon,
        batch_size=64,
        checks=False,
        verbose=0,
    )
    known = report.robust_accuracy[epsilon]
    rows[name] = accuracy(model, images), accuracy(model, ignorant), known
    clean, ignored, known = rows[name]
    print(f"{name:<22}{clean:>8.1%}{ignored:>9.1%}{known:>8.1%}")

"""
The guided denoiser looks best, with 76.6 %, until the attack goes through it: nothing is
left. JPEG, total variation and resizing keep 12 to 20 %, and pay for it with 9 to 19 % of
the clean images. Pruning, the anti-adversary and APE-GAN do nothing here even against an
attack that ignores them. (PyTorch 2.13 on an Intel Xeon, seed 0; with 64 images, one
standard error is up to 6 points.)

The same as a picture: light bars are what a paper that ignored its own defense would
have reported, dark bars what is left.
"""

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
place = np.arange(len(rows))
_, ignored, known = 100 * np.array(list(rows.values())).T
axes.barh(place - 0.2, ignored, 0.4, color="#a6bddb", label="ignored")
axes.barh(place + 0.2, known, 0.4, color="#08519c", label="known")
axes.set_yticks(place, rows)
axes.invert_yaxis()
axes.set_xlim(0, 100)
axes.set_xlabel("accuracy under attack in %")
axes.legend(loc="lower right")
figure.savefig("nine_defenses.png")
plt.close(figure)  # Otherwise a notebook shows it twice.
figure

"""
Here are four images that fool the network with the guided denoiser in front of it. The
change is as small as before.
"""

model = defended["guided denoiser"]
knowing = attack.run(model, images[:4], labels[:4]).images
figure = kad.visualization.perturbation_figure(
    images[:4],
    knowing,
    labels[:4],
    model.predict(images[:4], verbose=0).argmax(-1),
    model.predict(knowing, verbose=0).argmax(-1),
)
figure.savefig("knowing.png")
figure

"""
## How each is attacked

There are three tricks, and a layer names those it needs. A *substitute* is a function
with a gradient that stands in for one without (BPDA). Over *draws*, the gradient of
something random is averaged (EOT). Whatever has neither is differentiated as it is.
"""

for name, model in defended.items():
    layer = next(
        each for each in model.layers if hasattr(each, "how_to_attack")
    )
    how = layer.how_to_attack()
    trick = "a substitute" if how.substitute else "its own gradient"
    print(f"{name:<22}{trick}" + f", {how.draws} draws" * (how.draws > 1))

"""
## A defense of your own

Without `how_to_attack`, nobody tells the attack. Here is a defense that rounds as above
and keeps quiet. The report does not believe it: its checks find that the gradient has
vanished.
"""


class Quiet(layers.Layer):
    def call(self, images):
        return keras.ops.round(images * 3.0) / 3.0


quiet = keras.Sequential([keras.Input(images.shape[1:]), Quiet(), plain])
report = kad.evaluate_robustness(
    quiet, images, labels, attacks="pgd", epsilons=epsilon, verbose=0
)
print(f"withstand PGD: {report.robust_accuracy[epsilon]:.1%}")
for flag in report.flags:
    if flag.raised:
        print(f"{flag.name}: {flag.sentence.split('. ')[0]}.")

"""
One method tells how it has to be attacked, and the number is true.
"""


class Honest(Quiet):
    def how_to_attack(self):
        return kad.defenses.HowToAttack(substitute=lambda images: images)


honest = keras.Sequential([keras.Input(images.shape[1:]), Honest(), plain])
report = kad.evaluate_robustness(
    honest, images, labels, attacks="pgd", epsilons=epsilon, verbose=0
)
print(f"withstand PGD: {report.robust_accuracy[epsilon]:.1%}")

"""
## What to take home

- A defense is worth what is left when the attack knows it.
- Ask of each defense: where is its gradient, and what in it is random?
- None of the nine replaces adversarial training. All of them can be put in front of a
  hardened model, and measured the same way.

All thirteen defenses of the library, what they claimed, and how each is attacked:
[Defenses that do not defend](../defenses.md).
"""
