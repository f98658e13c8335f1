"""Property tests: what holds for whatever a user may pass.

Hypothesis draws the data; shapes, batch sizes and settings of attacks are a
few fixed ones, so that compiled code serves all examples. As part of all tests
they are the same at each run, and take less than a minute a backend. A long
run draws others each time, twenty times as many, and shrinks what fails:

    HYPOTHESIS_PROFILE=long python -m pytest tests/properties

A failure prints a line `@reproduce_failure(...)`: put it above the test.
"""

import os

import pytest
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import settings

from tests.properties import strategies

# What Hypothesis finds slow is the first example, which compiles.
_SHARED = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow],
    # All but the explanation of failures, which takes longest.
    "phases": [Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
}
settings.register_profile("quick", derandomize=True, **_SHARED)
settings.register_profile("long", print_blob=True, **_SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="module", autouse=True)
def networks_are_built():
    """Before anything is drawn, for Keras draws random names and seeds."""
    for value_range in strategies.RANGES:
        strategies.network(value_range)
    strategies.convolutional()
