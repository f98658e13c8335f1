"""What the documentation says of defenses is what was measured."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.once
def test_the_table_is_that_of_the_results(monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import defenses

    defenses.table()
    printed = capsys.readouterr().out.splitlines()
    text = (ROOT / "docs" / "defenses.md").read_text(encoding="utf-8")

    assert len(printed) == 2 + 14 + 1  # The last line tells the flags.
    assert "\n".join(printed[:-1]) in text
