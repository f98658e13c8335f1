"""APGD, and its own rules in l1."""

from .apgd import APGD as APGD
