"""Setup of the tests in this folder."""

from tests.testing import quick_compilation as quick_compilation
