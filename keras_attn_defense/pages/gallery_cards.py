"""Images of an evaluation, before and after attacks, as parts of a page."""

import functools

import numpy as np

from ..visualization.overlay import overlay
from .page import percent
from .pictures import encoded
from .pictures import magnified
from .pictures import pictures

#: Characters of all pictures together, so that a page stays below 5 MB.
BUDGET = 4_000_000


def gallery_cards(report, names, budget=BUDGET):
    """Returns what the page shows of each image of a gallery.

    Where the pictures would make the file too large, the last images are left
    out.

    Args:
        report: The `RobustnessReport`.
        names: The `ClassNames`.
        budget: The number of characters that all pictures may have.

    Returns:
        A dict of the `cards` and of what the page says about them; None if
        there is no gallery.
    """
    if report.gallery is None:
        return None
    album = _Album(report, names)
    places = range(len(report.gallery.rows))
    cards = list(_within(budget, map(album.card, places)))
    return {
        "cards": cards,
        "drawn": len(places),
        "total": report.num_images,
        "attention": report.gallery.attention,
        "note": report.gallery.note,
        "classes": _classes(cards),
    }


def compared_cards(reports, epsilons, names, budget=BUDGET):
    """Returns what the page shows of the images that several galleries share.

    Args:
        reports: The `RobustnessReport` of each model, on the same images.
        epsilons: The radii that all of them have.
        names: The `ClassNames`.
        budget: The number of characters that all pictures may have.

    Returns:
        A dict as of `gallery_cards`, where each card has one of each model in
        `models`; None unless all reports have a gallery.
    """
    if not reports or any(each.gallery is None for each in reports):
        return None
    rows = [each.gallery.rows for each in reports]
    shared = functools.reduce(np.intersect1d, rows)
    albums = [_Album(each, names, epsilons) for each in reports]

    def card(row):
        # Rows ascend in each gallery: a search finds the place of a shared one.
        places = [np.searchsorted(index, row) for index in rows]
        models = [
            album.card(place)
            for album, place in zip(albums, places, strict=True)
        ]
        return {**models[0], "variants": [], "map": None, "models": models}

    cards = list(_within(budget, map(card, shared)))
    if not cards:
        return None
    return {
        "cards": cards,
        "drawn": len(shared),
        "total": reports[0].num_images,
        "classes": _classes(cards),
    }


def _classes(cards):
    return sorted({(card["label"], card["name"]) for card in cards})


def _within(budget, cards):
    """Yields cards as long as their pictures fit; one fits always."""
    for number, card in enumerate(cards):
        budget -= _size(card)
        if number and budget < 0:
            return
        yield card


class _Album:
    """Describes the images of a gallery.

    Args:
        report: The `RobustnessReport`.
        names: The `ClassNames`.
        epsilons: The radii to show the worst case of; None shows all attacks
            at all radii.
    """

    def __init__(self, report, names, epsilons=None):
        self.names = names
        self.epsilons = epsilons
        self.gallery = report.gallery
        self.threat = report.threat_model
        self.attacks = list(report.to_dict()["attacks"])
        rows = report.gallery.rows
        self.samples = {k: v[rows] for k, v in report.per_sample.items()}

    def card(self, place):
        """Describes one image and all attacks on it."""
        gallery, one = self.gallery, slice(place, place + 1)
        label = int(gallery.labels[place])
        clean = gallery.clean
        image = gallery.images[one]
        return {
            "index": int(self.samples["index"][place]),
            "label": label,
            "name": self.names(label),
            "picture": pictures(image, self.threat.value_range)[0],
            "map": self._map(image, clean, place),
            "answer": self._answer(clean, place),
            "right": bool(clean.predictions[place] == label),
            "margin": _number(clean.margins[place]),
            "variants": self._variants(place),
        }

    def _variants(self, place):
        """Different attacked images, each with the attacks that gave it."""
        found = {}
        epsilons = self.epsilons or self.threat.epsilons
        for number, epsilon in enumerate(epsilons):
            worst = self._worst(place, epsilon)
            for attack, name in enumerate(self.attacks):
                if self.epsilons and name != worst:
                    continue
                column = f"{name}@{self.threat.label(epsilon)}"
                content = self.gallery.adversarial[column][place].tobytes()
                fell = self._fell(place, name, epsilon)
                # Attacks that leave the same bytes share a picture. `shows`
                # names the choices of the page that show it: attack `a<number>`
                # at radius `e<number>`, or the worst case `w` there.
                if (content, fell) not in found:
                    found[content, fell] = self._variant(place, column, fell)
                shows = found[content, fell]["shows"]
                shows.append(f"a{attack}e{number}")
                if name == worst:
                    shows.append(f"we{number}")
        return list(found.values())

    def _variant(self, place, column, fell):
        gallery, one = self.gallery, slice(place, place + 1)
        attacked = gallery.attacked[column]
        clean, image = gallery.images[one], gallery.adversarial[column][one]
        change, size = magnified(clean, image)
        overlap = None if attacked.maps is None else attacked.overlaps[place]
        return {
            "shows": [],
            "attack": column.rpartition("@")[0],
            "fell": fell,
            "picture": pictures(image, self.threat.value_range)[0],
            "change": pictures(change, (-1, 1))[0],
            "largest": f"{size[0]:.2g}",
            "times": _times(size[0], self.threat.width),
            "distance": f"{self.threat.distances(image, clean)[0]:.3g}",
            "map": self._map(image, attacked, place),
            "overlap": None if overlap is None else f"{overlap:.2f}",
            "moved": "" if overlap is None else _number(1 - overlap),
            "answer": self._answer(attacked, place),
            "right": bool(attacked.predictions[place] == gallery.labels[place]),
            "margin": _number(attacked.margins[place]),
        }

    def _map(self, image, answers, place):
        """The attention over the image, or None."""
        if answers.maps is None:
            return None
        maps = answers.maps[place : place + 1]
        return encoded(
            overlay(image, maps, value_range=self.threat.value_range)
        )[0]

    def _answer(self, answers, place):
        name = self.names(int(answers.predictions[place]))
        return f"{name}, {percent(answers.confidences[place])}"

    def _fell(self, place, name, epsilon):
        column = f"{name}_success@{self.threat.label(epsilon)}"
        return bool(self.samples[column][place])

    def _worst(self, place, epsilon):
        """The attack that needs the least; the last one where all fail."""
        nearest = {
            name: self.samples[f"{name}_distance"][place]
            for name in self.attacks
            if self._fell(place, name, epsilon)
        }
        return min(nearest, key=nearest.get) if nearest else self.attacks[-1]


def _number(value):
    return f"{value:.2f}"


def _times(size, width):
    return f"{width / (2 * size):.2g}" if size else None


def _size(card):
    """Counts the characters of a card's pictures."""
    shown = [card, *card["variants"]]
    of_models = sum(map(_size, card.get("models", [])))
    return of_models + sum(
        len(each.get(name) or "")
        for each in shown
        for name in ("picture", "change", "map")
    )
