"""
Title: Serve it with TensorFlow Serving
Author: The keras_attn_defense authors
Date created: 2026/11/23
Last modified: 2026/11/27
Description: Export a defended model with its attention maps, ask a server for both, and replace it while it runs.
Accelerator: None
"""

"""
## Introduction

Users of a model want its prediction, and sometimes the reason for it: where in the
image did the network look? This guide exports a robust classifier as a SavedModel
that answers both questions, serves it, queries it over REST, and replaces it with a
new version while a client keeps asking.

It needs no download and runs in a minute on two CPU cores.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import json
import pathlib
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import keras
import numpy as np
from keras import layers

import keras_attn_defense as kad

keras.utils.set_random_seed(0)

"""
## A robust network

We take one that comes with the library, trained on handwritten digits in cluttered
scenes to withstand attacks. It returns logits, and clients like probabilities, so a
softmax goes on top. To serve one of your own, load it instead:
`keras.saving.load_model("defended.keras")`. Any Keras classifier can be exported,
defended or not.
"""

train, test = kad.datasets.load_digit_scenes()

robust = kad.zoo.load("digit_scenes")
probabilities = layers.Softmax()(robust.output)

model = kad.AttentionDefendedModel(
    keras.Model(robust.input, probabilities),
    attack=kad.attacks.FGSM(epsilon=4 / 255),
)

"""
## Export

Servers watch a folder and serve the highest number in it, so the path ends with a
version. `explain=True` adds the attention maps. `preprocess=True` builds in what every
client would otherwise have to repeat exactly: images arrive as bytes from 0 to 255, of
any size, and are resized and scaled inside.
"""

folder = pathlib.Path("served", "digits")
shutil.rmtree(folder, ignore_errors=True)

kad.export(model, folder / "1", explain=True, preprocess=True)

"""
What is in it? Three signatures, that is, three functions with named inputs and
outputs. A client chooses one by its name:

- `serving_default`: the predictions of the plain classifier;
- `explain`: these predictions, the predicted class, and its attention map;
- `explain_class`: the map for a class that the client names. What would have spoken
  for a 3?

(`saved_model_cli show --all --dir served/digits/1` shows the same from a shell.)
The attack, the losses and the optimizer stay behind, and loading the export needs
neither Keras nor this package.
"""

import tensorflow as tf

loaded = tf.saved_model.load(str(folder / "1"))
for name, signature in sorted(loaded.signatures.items()):
    print(name)
    for spec in signature.structured_input_signature[1].values():
        print(f"  takes   {spec.name}: {spec.dtype.name} {spec.shape}")
    for key, spec in signature.structured_outputs.items():
        print(f"  answers {key}: {spec.dtype.name} {spec.shape}")

"""
It answers as the model does:
"""

images = np.round(255 * test.images[:64]).astype("uint8")
answer = loaded.signatures["serving_default"](images=tf.constant(images))
expected = model.predict(images / 255.0, verbose=0)
print("largest difference:", np.abs(answer["predictions"] - expected).max())

"""
## A server

TensorFlow Serving is a separate program, most easily started with Docker:

```
docker run --rm -p 8500:8500 -p 8501:8501 \\
    -v "$PWD/served/digits:/models/digits" -e MODEL_NAME=digits \\
    tensorflow/serving:2.21.0
```

`examples/serving/` has this as a script and as a compose file with a health check. So
that the guide runs anywhere, we start a stand-in here that speaks the same REST and
gRPC: `examples/serving/twin.py`. It is for trying things out, not for production. With
the real server running, leave out this cell and set `url = "http://localhost:8501"`.
"""

twin = pathlib.Path(kad.__file__).parents[1] / "examples/serving/twin.py"
server = subprocess.Popen(
    [sys.executable, twin, folder, "--port=0", "--grpc-port=0"],
    stdout=subprocess.PIPE,
)
url = json.loads(server.stdout.readline())["rest"]

"""
## A client

A client sends JSON and needs nothing but the standard library. `inputs` holds the
whole batch. With `instances`, one entry per image, the answer comes as `predictions`,
also one entry per image.
"""


def post(request):
    data = json.dumps(request).encode()
    route = f"{url}/v1/models/digits:predict"
    with urllib.request.urlopen(route, data) as answer:
        return json.load(answer)


def predict(images):
    return np.array(post({"inputs": images.tolist()})["outputs"])


predictions = predict(images)
accuracy = np.mean(predictions.argmax(-1) == test.labels[:64])
print(f"accuracy of the server's answers: {accuracy:.1%}")

"""
Images of another size are resized, because the preprocessing is inside. What is not an
image is refused with an error message, and the server keeps running.
"""

large = images[:4].repeat(3, axis=1).repeat(3, axis=2)
print(large.shape, "->", predict(large).argmax(-1), test.labels[:4])

try:
    post({"inputs": "not an image"})
except urllib.error.HTTPError as error:
    print(error.code, json.load(error)["error"])

"""
## Replace it while it runs

We train for an epoch and export version 2, while a client keeps asking. The folder
appears under its number only when it is complete, so the server never sees half a
model. And the server drops the old version only when the new one answers.
"""

answers = []
finished = threading.Event()


def keep_asking():
    while not finished.is_set():
        answers.append(predict(images[:1]))
        time.sleep(0.01)


client = threading.Thread(target=keep_asking)
client.start()

model.compile(
    keras.optimizers.Adam(1e-3),
    "sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(train.images, train.labels, batch_size=64, epochs=1, verbose=2)
kad.export(model, folder / "2", explain=True, preprocess=True)


def newest():
    with urllib.request.urlopen(f"{url}/v1/models/digits") as answer:
        status = json.load(answer)["model_version_status"]
    return max(int(each["version"]) for each in status)


while newest() < 2:
    time.sleep(0.1)
time.sleep(0.5)
finished.set()
client.join()

different = 1 + np.sum(np.abs(np.diff(answers, axis=0)).max((1, 2)) > 1e-5)
print(f"{len(answers)} answers, none failed, {different} different ones")

"""
There are two different answers to the same image: version 1's before the change and
version 2's after it. An exception would have ended the client's thread.

## What does the served model look at?

The last picture is the client's. Its predictions and maps all come from the server.
"""

explained = post({"signature_name": "explain", "inputs": images[:6].tolist()})
explained = {k: np.array(v) for k, v in explained["outputs"].items()}
server.kill()

figure = kad.visualization.attention_figure(
    images[:6],
    explained["attention_map"],
    test.labels[:6],
    predictions=explained["predictions"].argmax(-1),
    confidences=explained["predictions"].max(-1),
)
figure.savefig("served.png")
figure

"""
## What to take home

- A map costs one backward pass. If nobody looks at the maps, ask for
  `serving_default`, which does not compute them.
- A map says what the network used, not whether it is right, and an attacked image has
  a map too. By itself it does not warn of an attack.
- JSON is wordy. For large batches use gRPC, or send smaller images.
- On JAX the export needs TensorFlow to be installed. On PyTorch a TensorFlow process
  writes it, from the saved `.keras` file. The call is the same.
- This was tested: exports of all three backends in TensorFlow's own C++ loader, the one
  that TensorFlow Serving links; behind KServe's server; and behind the stand-in above,
  with TensorFlow Serving's own request messages. The binary of TensorFlow Serving was
  not tested: the test machine does not have it.
"""
