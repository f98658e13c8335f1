"""Noise: of electronics, of few photons, of dead pixels."""

import numpy as np


def gaussian_noise(images, severity, generator):
    """Adds normal noise, as in low light."""
    scale = (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1]
    return images + generator.normal(scale=scale, size=images.shape)


def shot_noise(images, severity, generator):
    """Counts photons, of which a white pixel has so many."""
    photons = (500, 250, 100, 75, 50)[severity - 1]
    return generator.poisson(images * photons) / photons


def impulse_noise(images, severity, generator):
    """Sets a share of all values to black or white."""
    share = (0.01, 0.02, 0.03, 0.05, 0.07)[severity - 1]
    draws = generator.uniform(size=images.shape)
    # One draw decides both whether and to which end.
    return np.where(draws < share, draws < share / 2, images)
