"""Carlini and Wagner's attack, its penalties and optimizer."""

from .carlini_wagner import CarliniWagner as CarliniWagner
