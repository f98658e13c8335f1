"""
Title: What does my network look at when it fails?
Author: The keras_attn_defense authors
Date created: 2026/11/23
Last modified: 2026/11/23
Description: Draw attention maps, watch attacks move them, and test whether images with incomplete attention fall first.
Accelerator: None
"""

"""
## Introduction

An adversarial example is an image with a change that nobody sees and that fools a
network. Where does the network look when that happens? The method of this library
rests on two observations: images whose attention misses part of the object fall
first, and successful attacks move the attention away and scatter it. Here you check
both on a network of your own.

It needs no download and runs in about four minutes on two CPU cores.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from keras import layers

import keras_attn_defense as kad

keras.utils.set_random_seed(0)

"""
## A network

The data are real handwritten digits in cluttered scenes, with a box around each
digit. To use your own, put `images` (floats from 0 to 1), `labels` (integers)
and, if you have them, `boxes` in their place. `kad.datasets.load_cifar10()` is a
drop-in replacement without boxes.
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


loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

plain = make_network()
plain.compile(keras.optimizers.Adam(5e-3), loss, metrics=["accuracy"])
plain.fit(train.images, train.labels, epochs=6, verbose=2)

"""
## Where it looks

An attention map says how much each part of the image speaks for a class. All
methods are Keras layers that are called in the same way. Most of them are compiled
and differentiable.
"""

images, labels = test.images[:64], test.labels[:64]
# Of those that are drawn, if there are boxes.
boxes = None if test.boxes is None else test.boxes[:4]

grad_cam = kad.attention.GradCAM(normalization="max", model=plain)
maps = grad_cam(images, labels)

figure = kad.visualization.attention_figure(
    images[:4], maps[:4], labels[:4], boxes=boxes
)
figure.savefig("attention.png")
figure

"""
Maps differ, so ask which of them shows what the network really uses. The
*deletion* score hides the pixels of highest attention first and measures how long
the network stays confident: lower is better. The *insertion* score shows them
first: higher is better. The last map is noise, for comparison.
"""

methods = {
    "Grad-CAM": grad_cam,
    "Layer-CAM": kad.attention.LayerCAM(model=plain),
    "SmoothGrad": kad.attention.SmoothGrad(model=plain),
    "occlusion": kad.attention.Occlusion(patch=8, stride=4, model=plain),
}
maps_by_name = {
    name: np.array(method(images, labels)) for name, method in methods.items()
}
noise = np.random.default_rng(0).random(images.shape[:3])
maps_by_name["noise"] = noise.astype("float32")

figure = kad.visualization.attention_figure(
    images[:4],
    {name: found[:4] for name, found in maps_by_name.items()},
    labels[:4],
)
figure.savefig("methods.png")
figure

"""
The two scores of each:
"""

for name, found in maps_by_name.items():
    deletion = kad.attention.deletion_curve(plain, images, found, labels)
    insertion = kad.attention.insertion_curve(plain, images, found, labels)
    print(
        f"{name:<11} deletion {deletion.areas.mean():.2f}  "
        f"insertion {insertion.areas.mean():.2f}"
    )

"""
## Under attack

This is projected gradient descent with a radius of 4/255. From left to right: the
image, the attacked image, the change (magnified), the attention to the true class
before and after, and what is left when the attention area is hidden.
"""

attack = kad.attacks.PGD(epsilon=4 / 255, steps=10, seed=0)

figure = kad.visualization.attack_figure(
    plain, images[:4], labels[:4], attack, boxes=boxes
)
figure.savefig("attack.png")
figure

"""
The same attack, step by step:
"""

figure = kad.visualization.attack_steps_figure(
    plain, images[:3], labels[:3], attack
)
figure.savefig("steps.png")
figure

"""
## The two observations, tested

`AttentionStudy` attacks every image that is classified correctly, and compares the
images that fell with those that withstood. Completeness is the overlap
(intersection over union) of the object's box with an attention area of the same
number of pixels. A rank test says whether a difference is more than chance.
"""

study = kad.analysis.AttentionStudy(plain, attack)
result = study.run(*test, limit=1000, verbose=0)
result.summary()
result.save("study.html")
figure = result.plot("study.png")
figure

"""
The table says in words what the numbers show, whether or not the observation
holds. `study.html` shows them in a browser. It is an observation about networks, not a law. And it is an association, not
a cause: images that the network is surer of also tend to have more complete
attention. If nearly every image falls, or hardly any, there are few to compare
with. Choose the radius so that about half of them fall.

## Does the defense change it?

Here is the same network, trained with the attention losses, and the same study with
twice the radius, because few of its images fall at 4/255.
"""

defended = kad.AttentionDefendedModel(
    make_network(), attack=kad.attacks.PGD(epsilon=8 / 255, steps=4)
)
defended.compile(keras.optimizers.Adam(5e-3), loss, metrics=["accuracy"])
defended.fit(train.images, train.labels, epochs=6, verbose=2)

stronger = attack.with_epsilon(8 / 255)
results = {
    name: kad.analysis.AttentionStudy(model, stronger).run(
        *test, limit=1000, verbose=0
    )
    for name, model in {"plain": plain, "defended": defended}.items()
}
comparison = kad.analysis.compare_studies(results)
comparison.summary()

figure = kad.visualization.attack_figure(
    defended, images[:4], labels[:4], stronger, boxes=boxes
)
figure.savefig("defended.png")
figure

"""
## Attention as an attack

What can be measured can be attacked. `AttentionAttack` adds the deviation of
attention to what PGD maximizes. With `objective=None` it moves the attention alone,
and the class may well stay the same. Then the map of an image is no evidence that
the network looked at the object.
"""

mover = kad.attacks.AttentionAttack(epsilon=8 / 255, objective=None, seed=0)
moved = mover(plain, images, labels)
kept = np.argmax(plain.predict(moved, verbose=0), axis=-1) == labels
deviation = kad.analysis.attention_deviation(maps, grad_cam(moved, labels))
print(f"predictions kept: {kept.mean():.0%}")
print(f"overlap of the attention areas: {deviation.iou.mean():.2f}")

"""
## What to take home

- Draw the maps of several methods, and score them before you believe one.
- Look at the images that fell: `result.per_sample` has every number, ready for
  `pandas.DataFrame`.
- A test with a p-value and a sample size beats three handpicked pictures.
"""
