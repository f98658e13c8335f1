import keras
import numpy as np
from keras import layers

import keras_attn_defense as kad

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((16, 16, 3)),
        layers.Conv2D(4, 3, strides=2, activation="relu", name="conv_1"),
        layers.Conv2D(8, 3, activation="relu", name="conv_2"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(4),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss, metrics=["accuracy"])

x = np.random.default_rng(0).uniform(size=(8, 16, 16, 3)).astype("float32")
y = np.argmax(model.predict(x, verbose=0), axis=-1)  # all correct
# Where the objects are: x_min, y_min, x_max, y_max, in fractions of the sides.
boxes = np.tile([0.25, 0.25, 0.75, 0.75], (8, 1))
