"""Tests of sets too large for memory, batched by their libraries for `fit`."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), "uint8")
LABELS = np.arange(8) % 4


def tfds_source(tmp_path):
    """Returns `as_supervised=True` batches, uint8, of a set on disk."""
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("tensorflow")
    tfds.disable_progress_bar()

    class Straight(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(8, 8, 3)),
                "label": tfds.features.ClassLabel(num_classes=4),
            }
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i, (image, label) in enumerate(
                zip(IMAGES, LABELS, strict=True)
            ):
                yield i, {"image": image, "label": label}

    builder = Straight(data_dir=tmp_path)
    builder.download_and_prepare()
    return builder.as_dataset(split="train", as_supervised=True).batch(4)


def hugging_face():
    library = pytest.importorskip("datasets")
    features = {
        "image": library.Image(),
        "label": library.ClassLabel(num_classes=4),
    }
    columns = {"image": list(IMAGES), "label": LABELS.tolist()}
    return library.Dataset.from_dict(columns, library.Features(features))


def torch_source(tmp_path):
    torch = pytest.importorskip("torch")

    def batch(rows):
        images = np.stack([np.asarray(row["image"]) for row in rows])
        return torch.tensor(images), torch.tensor([r["label"] for r in rows])

    return torch.utils.data.DataLoader(hugging_face(), 4, collate_fn=batch)


class Rows(keras.utils.PyDataset):
    """The batches of a Hugging Face set, on any backend."""

    def __init__(self, dataset):
        super().__init__()
        self.dataset = dataset.with_format("numpy")

    def __len__(self):
        return len(self.dataset) // 4

    def __getitem__(self, index):
        rows = self.dataset[4 * index : 4 * index + 4]
        return np.stack(rows["image"]), rows["label"]


SOURCES = {
    "tfds": tfds_source,
    "torch": torch_source,
    "py_dataset": lambda tmp_path: Rows(hugging_face()),
}


@pytest.fixture(scope="module")
def model():
    return kad.AttentionDefendedModel(
        networks.linear(),
        kad.attacks.FGSM(),
        rectification_weight=0,
        preservation_weight=0,
        validation_attack=None,
        value_range=(0, 255),
    )


@pytest.mark.parametrize("name", SOURCES)
def test_bytes_into_fit_and_evaluate(name, model, tmp_path):
    source = SOURCES[name](tmp_path)
    networks.set_weights(model.base, seed=5, scale=0.01)
    report = kad.evaluate_robustness(
        model, source, attacks="fgsm", checks=False, verbose=0
    )
    predicted = model.predict(IMAGES.astype("float32"), verbose=0).argmax(-1)
    assert report.clean_accuracy == (predicted == LABELS).mean()
    before = keras.ops.convert_to_numpy(model.base.weights[0])
    model.fit(source, shuffle=False, verbose=0)
    after = keras.ops.convert_to_numpy(model.base.weights[0])
    assert np.isfinite(after).all() and (before != after).any()
    unit = kad.AttentionDefendedModel(networks.sequential(), value_range=(0, 1))
    with pytest.raises(ValueError, match=r"uint8.*value_range=\(0, 255\)"):
        unit.fit(source, shuffle=False, verbose=0)
    with pytest.raises(ValueError, match=r"uint8.*value_range=\(0, 255\)"):
        kad.evaluate_robustness(unit, source, attacks="fgsm", verbose=0)


def test_named_columns_are_asked_for(model):
    rows = [{"image": IMAGES, "label": LABELS}]
    for use in (lambda x: model.fit(x, verbose=0), model.evaluate):
        with pytest.raises(ValueError, match=r"\['image', 'label'\].*collate"):
            use(iter(rows))
    with pytest.raises(ValueError, match=r"\['image', 'label'\].*collate"):
        kad.evaluate_robustness(model, rows, attacks="fgsm", verbose=0)


def test_floats_in_the_range_of_bytes(model):
    with pytest.raises(ValueError, match="fill next to nothing"):
        model.fit(IMAGES / 255, LABELS, verbose=0)
    with pytest.raises(ValueError, match="fill next to nothing"):
        kad.evaluate_robustness(model, IMAGES / 255, LABELS, verbose=0)
