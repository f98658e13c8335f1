"""Norm balls, and the geometry of their borders."""
