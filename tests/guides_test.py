"""Each guide runs from top to bottom on a little data; notebooks are theirs."""

import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from guides import make_notebooks
from tests import run_guide

ROOT = pathlib.Path(__file__).parents[1]
# PyTorch takes the least time; a guide of another backend's features, there.
BACKENDS = {
    "defend_your_classifier_in_ten_minutes": "torch",
    "fine_tune_a_pretrained_model": "torch",
    "how_robust_is_my_model": "torch",
    "nine_defenses_that_do_not_defend": "torch",
    "serve_it_with_tensorflow_serving": "tensorflow",
    "train_fast_without_being_fooled": "torch",
    "train_on_several_devices": "jax",
    "what_does_my_network_look_at": "torch",
    "write_your_own_attack": "torch",
    "write_your_own_attention_loss": "torch",
}
# It sets the devices up before Keras is imported, or starts servers.
IN_ITS_OWN_PROCESS = (
    "serve_it_with_tensorflow_serving",
    "train_on_several_devices",
)
GUIDES = {path.stem: path for path in make_notebooks.guides()}


def test_every_guide_has_a_backend():
    assert BACKENDS.keys() == GUIDES.keys()
    assert set(BACKENDS.values()) == {"tensorflow", "jax", "torch"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.backend(backend))
        for name, backend in BACKENDS.items()
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_guide_runs(name, tmp_path, monkeypatch):
    if name == "serve_it_with_tensorflow_serving":
        pytest.importorskip("tensorflow_serving")
    image = pytest.importorskip("matplotlib.image")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", BACKENDS[name])
    if name in IN_ITS_OWN_PROCESS:
        run_alone(GUIDES[name], monkeypatch)
    else:
        run_guide.run(GUIDES[name])
    pictures = list(tmp_path.glob("*.png"))
    assert pictures
    for path in pictures:
        assert np.std(image.imread(path)[..., :3]) > 0.05, path.name


def run_alone(path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    process = subprocess.run(
        [sys.executable, run_guide.__file__, path],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr[-3000:]


@pytest.mark.parametrize("name", GUIDES)
def test_notebook_is_that_of_the_guide(name):
    notebook = read_notebook(name)
    assert [
        (cell["cell_type"], "".join(cell["source"]))
        for cell in notebook["cells"]
    ] == list(make_notebooks.cells(GUIDES[name].read_text()))


@pytest.mark.parametrize("name", GUIDES)
def test_notebook_was_executed(name):
    code = [c for c in read_notebook(name)["cells"] if c["cell_type"] == "code"]
    counts = [cell["execution_count"] for cell in code]
    assert counts == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error"]
    assert not [o for o in outputs if o.get("name") == "stderr"]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert pictures
    # Nothing of the machine: folders, addresses, progress bars.
    texts = json.dumps([o for o in outputs if o not in pictures])
    assert not re.search(r"/(root|home|tmp|work)/|0x[0-9a-f]{8}|━━", texts)


def test_titles_and_texts_become_cells():
    source = (
        '"""\nTitle: A\nAuthor: B\n"""\n\n"""\nText.\n"""\n\n'
        '# About x.\nx = "no text"\n\n"""\nMore.\n"""\n'
    )
    assert list(make_notebooks.cells(source)) == [
        ("markdown", "# A\n\n**Author:** B<br>"),
        ("markdown", "Text."),
        ("code", '# About x.\nx = "no text"'),
        ("markdown", "More."),
    ]


def read_notebook(name):
    return json.loads((ROOT / f"guides/notebooks/{name}.ipynb").read_text())
