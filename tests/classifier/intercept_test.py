"""Tests of standing between an object and one of its functions."""

import threading

import pytest

from keras_attn_defense.classifier.intercept import intercept


class Owner:
    def call(self, x, times=1):
        return x * times


def test_handler_gets_the_original_and_its_arguments():
    owner = Owner()

    with intercept(
        owner, "call", lambda original, x, **k: original(x + 1, **k)
    ):
        assert owner.call(2, times=10) == 30

    assert owner.call(2, times=10) == 20
    assert vars(owner) == {}


def test_restores_an_attribute_of_the_instance():
    owner = Owner()
    owner.call = function = lambda x: -x

    with intercept(owner, "call", lambda original, x: 100 + original(x)):
        assert owner.call(1) == 99

    assert owner.call is function


def test_the_innermost_handler_counts():
    owner = Owner()

    with intercept(owner, "call", lambda original, x: "outer"):
        with intercept(owner, "call", lambda original, x: "inner"):
            assert owner.call(1) == "inner"
        assert owner.call(1) == "outer"
    assert owner.call(1) == 1


def test_restores_after_an_error():
    owner = Owner()

    with pytest.raises(RuntimeError, match="broken"):
        with intercept(owner, "call", lambda original, x: 0):
            raise RuntimeError("broken")

    assert owner.call(3) == 3
    assert vars(owner) == {}


def test_other_threads_are_not_heard():
    owner, results = Owner(), {}
    inside, done = threading.Event(), threading.Event()

    def other():
        inside.wait(10)
        results["plain"] = owner.call(1)
        with intercept(owner, "call", lambda original, x: "other"):
            results["own"] = owner.call(1)
            done.set()
            left.wait(10)
            results["late"] = owner.call(1)

    left = threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    with intercept(owner, "call", lambda original, x: "main"):
        inside.set()
        done.wait(10)
        results["main"] = owner.call(1)
    results["outside"] = owner.call(1)
    left.set()
    thread.join(10)

    assert results == {
        "plain": 1,
        "own": "other",
        "main": "main",
        "outside": 1,
        "late": "other",
    }
    assert vars(owner) == {}
