"""Tests of `evaluate --shard` and the command `merge`."""

import json

import pytest

from tests.cli.helpers import fails
from tests.cli.helpers import robust_share
from tests.cli.helpers import run

pytestmark = pytest.mark.once

DATA = "--data test.npz --limit 20 --seed 3 --no-checks "
SETTINGS = DATA + "--attacks fgsm --epsilon 0.04 0.1 --batch-size 2 "
MERGE = "merge model.keras shard-1.npz shard-0.npz " + DATA


def card(path):
    """A card without the seconds."""
    content = json.loads(path.read_text())
    for row in content["results"]:
        del row["seconds"]
    return content


@pytest.mark.everywhere
def test_merged_shards_are_the_whole(capsys, folder):
    for index in (1, 0):
        state = f"--shard {index}/2 --state shard-{index}.npz"
        assert run("evaluate model.keras " + SETTINGS + state) == 0
    assert "20 images" not in capsys.readouterr().out
    assert run("evaluate model.keras " + SETTINGS + "--out whole.json") == 0
    assert run(MERGE + "--out card.json --fail-under 0.9") == 1
    assert "is below 0.9" in capsys.readouterr().err
    assert card(folder / "card.json") == card(folder / "whole.json")

    assert run(MERGE + "--html page.html --corruptions fog") == 0
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert '<th scope="row">fog</th>' in page
    assert page.count('class="card"') == 20
    assert "merge model.keras shard-1.npz" in page

    # Another sample of the data.
    message = fails(MERGE.replace("--seed 3", "--seed 4"), capsys)
    assert "'shard-0.npz' (shard 0 of 2) belongs to other data" in message
    message = fails(MERGE.replace("shard-1.npz", ""), capsys)
    assert "1 of 2 shards are missing, the first of them shard 1" in message
    message = fails(MERGE.replace("shard-1", "x"), capsys)
    assert "no state file 'x.npz'" in message
    assert robust_share(0.1) < 0.9


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--shard 0/2", "--state shard-0.npz"),
        ("--shard 0/2 --state s.npz --out card.json", "to the command merge"),
        ("--shard 0/2 --state s.npz --fail-under 0", "to the command merge"),
        ("--shard 0/2 --state s.npz --corruptions", "to the command merge"),
        ("--shard 3/9 --state s.npz", "3 of 9 has no images"),
    ],
)
def test_bad_input(arguments, message, capsys):
    assert message in fails(
        "evaluate model.keras " + SETTINGS + arguments, capsys
    )


@pytest.mark.parametrize(
    "shard, message",
    [
        ("2/2", "counted from 0, so the last one is 1/2"),
        ("1", "write the third of eight as 2/8"),
        ("1/0", "write the third"),
        ("-1/2", "expected one argument"),
    ],
)
def test_bad_shards(shard, message, capsys):
    with pytest.raises(SystemExit):
        run(f"evaluate model.keras {SETTINGS} --state s.npz --shard {shard}")
    assert message in capsys.readouterr().err
