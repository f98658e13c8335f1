"""Tests of the command `evaluate`: closed forms, files, and exit codes."""

import json
import sys

import keras
import numpy as np
import pytest

from keras_attn_defense import attacks
from keras_attn_defense.datasets.sampling import stratified_sample
from keras_attn_defense.evaluation import evaluate_corruptions
from keras_attn_defense.evaluation import load_card
from tests.cli.helpers import IMAGES
from tests.cli.helpers import LABELS
from tests.cli.helpers import fails
from tests.cli.helpers import robust_share
from tests.cli.helpers import run

pytestmark = pytest.mark.once

FGSM = "evaluate model.keras --data test.npz --attacks fgsm --no-checks "


def test_card_table_and_plot(capsys, folder):
    code = run(
        FGSM + "--epsilon 20/255 0.04 --batch-size 9 --limit 23 --seed 5 "
        "--out card.json --plot curve.png --norm linf"
    )
    assert code == 0
    rows = stratified_sample(LABELS, 23, seed=5)
    distances = abs(np.linspace(0.2, 0.8, 24) - 0.5)[rows]
    card = load_card("card.json")
    assert card["threat_model"]["epsilons"] == [0.04, 20 / 255]
    accuracies = {
        (line["attack"], line["epsilon"]): line["accuracy"]
        for line in card["results"]
    }
    assert accuracies["clean", 0.0] == 1.0
    for epsilon in (0.04, 20 / 255):
        expected = (distances > epsilon).mean()
        assert accuracies["fgsm", epsilon] == pytest.approx(expected)
        assert accuracies["worst case", epsilon] == pytest.approx(expected)
    assert card["num_images"] == 23
    assert card["dataset"] == "test"
    assert card["seed"] == 5
    output = capsys.readouterr().out
    assert "20/255" in output and "worst case" in output
    assert f"{100 * (distances > 20 / 255).mean():.1f}" in output
    assert output.count("not checked:") == 1
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_fail_under(capsys):
    share = robust_share(0.1)
    assert 0.5 < share < 0.8
    assert run(FGSM + f"--epsilon 0.02 0.1 --fail-under {share}") == 0
    assert run(FGSM + "--epsilon 0.02 0.1 --fail-under 0.8") == 1
    message = capsys.readouterr().err
    assert f"{share:.4f} at epsilon 0.1 is below 0.8" in message


def test_name_and_thorough_checks(capsys):
    command = (
        "evaluate model.keras --data test.npz --attacks fgsm --thorough "
        "--name mine --epsilon 0.1 --out card.json"
    )
    labels = np.load("test.npz")["y"]
    # Labels the wrong way around: at chance, which a raised flag says.
    np.savez("test.npz", x=np.repeat(IMAGES, 3, 0), y=1 - np.repeat(labels, 3))
    assert run(command + " --fail-under 0.0") == 0
    card = load_card("card.json")
    assert card["name"] == "mine" and card["unreliable"] is True
    assert "may be too high" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(command + " --no-checks")
    assert "not allowed with" in capsys.readouterr().err


def test_bytes_are_scaled_to_the_value_range(capsys):
    np.savez("bytes.npz", x=(IMAGES * 255).round().astype("uint8"), y=LABELS)
    command = FGSM.replace("test.npz", "bytes.npz") + "--out card.json "
    assert run(command + "--epsilon 0.1") == 0
    assert (
        "uint8 images are scaled from (0.0, 255.0)" in capsys.readouterr().err
    )
    card = load_card("card.json")
    assert card["results"][-1]["accuracy"] == robust_share(0.1)
    assert card["threat_model"]["value_range"] == [0.0, 1.0]


def test_several_attacks_by_name():
    code = run(
        "evaluate model.keras --data test.npz --attacks fgsm pgd "
        "--no-checks --epsilon 0.1 --out card.json"
    )
    assert code == 0
    card = load_card("card.json")
    assert list(card["attacks"]) == ["fgsm", "pgd"]
    assert card["autoattack_acc"] is None


@pytest.mark.everywhere
def test_interrupted_and_continued(capsys, monkeypatch, folder):
    command = FGSM + "--epsilon 0.04 0.1 --out card.json"
    attack = attacks.FGSM.run

    def interrupted(self, *args):
        if self.epsilon == 0.1:
            raise KeyboardInterrupt
        return attack(self, *args)

    monkeypatch.setattr(attacks.FGSM, "run", interrupted)
    assert run(command) == 130
    assert "With --state FILE" in capsys.readouterr().err
    assert run(command + " --state half.npz") == 130
    assert "kept in 'half.npz'" in capsys.readouterr().err
    assert not (folder / "card.json").exists()

    epsilons = []

    def noted(self, *args):
        epsilons.append(self.epsilon)
        return attack(self, *args)

    monkeypatch.setattr(attacks.FGSM, "run", noted)
    assert run(command + " --state half.npz") == 0
    assert epsilons == [0.1]  # What was done is not done again.
    accuracies = [
        line["accuracy"]
        for line in json.loads((folder / "card.json").read_text())["results"]
        if line["attack"] == "fgsm"
    ]
    assert accuracies == [robust_share(0.04), robust_share(0.1)]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--attacks nonsense", "'nonsense'"),
        ("--epsilon 8", "did you mean 8 / 255"),
        ("--epsilon 0.1 --value-range 1 0", "value_range"),
        ("--value-range 0 0.5", "value_range"),
        ("--state nowhere/state.npz", "folder of state"),
        ("--state test.npz", "damaged or not a state file"),
    ],
)
def test_bad_input(arguments, message, capsys):
    assert message in fails(FGSM + arguments, capsys)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--epsilon 8//255", "'8//255' is not a number; write it as 0.03"),
        ("--epsilon 8/0", "'8/0' is not a number"),
        ("--limit 0", "'0' is not a whole number above zero"),
        ("--batch-size few", "'few' is not a whole number"),
        ("--fail-under 40", "40 % is 0.4"),
        ("--out card.txt", "should end in .json"),
        ("--out nowhere/card.json", "folder of 'nowhere/card.json'"),
        ("--backend torch", "type `KERAS_BACKEND=torch python -m keras_attn"),
        ("--backend", "type `KERAS_BACKEND=jax python -m keras_attn_defense"),
    ],
)
def test_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit) as raised:
        run(FGSM + arguments)
    assert raised.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ")
    assert "evaluate --help" in error and error.count("\n") == 1


def test_plots_need_matplotlib_which_is_told_before_the_work(
    capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = fails(FGSM + "--plot curve.png", capsys)
    assert "pip install keras-attn-defense[viz]" in message


def test_page_for_a_browser(capsys, folder, monkeypatch):
    command = FGSM + "--epsilon 0.1 --html report.html --gallery 3 "
    assert run(command + "--class-names dark <bright>") == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count('class="card"') == 3
    assert "&lt;bright&gt;" in page
    assert "python -m keras_attn_defense evaluate model.keras" in page
    assert f"{100 * robust_share(0.1):.1f}\xa0%" in page
    with pytest.raises(SystemExit):
        run(FGSM + "--html report.pdf")
    assert "should end in .html" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert "--html needs jinja2" in fails(command, capsys)


def test_corruptions(capsys):
    command = (
        FGSM + "--epsilon 0.1 --batch-size 9 --out card.json --corruptions "
    )
    assert run(command + "brightness contrast") == 0
    found = load_card("card.json")["corruptions"]
    images = np.load("test.npz")
    direct = evaluate_corruptions(
        keras.saving.load_model("model.keras"),
        images["x"],
        images["y"],
        corruptions=["brightness", "contrast"],
        batch_size=9,
        verbose=0,
    )
    assert found["correct"] == direct.to_dict()["correct"]
    assert found["settings"]["dataset"] == "test"
    assert found["settings"]["batch_size"] == 9
    assert "contrast" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run(command + "rain")
    assert "invalid choice: 'rain'" in capsys.readouterr().err
