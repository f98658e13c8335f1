"""Attacks on several networks: success, deviation of attention, transfer."""

import time

import keras
import numpy as np

from keras_attn_defense.attention import GradCAM


class Trial:
    """Networks and images, and what attacks make of them."""

    def __init__(self, networks, images, labels, options):
        self.networks = networks
        self.images = images
        self.labels = labels
        self.options = options
        self.right = {
            name: self.predictions(model, images) == labels
            for name, model in networks.items()
        }
        self.epsilons = dict(zip(networks, options.epsilons, strict=True))
        self.rows_of = {k: np.flatnonzero(v) for k, v in self.right.items()}

    def predictions(self, model, images):
        return model.predict(images, verbose=0).argmax(-1)

    def crafted(self, attack, name):
        """Adversarial images of those that a network classifies correctly."""
        rows = self.rows_of[name]
        attack = attack.with_epsilon(self.epsilons[name])
        attack.reseed(self.options.seed)
        return attack.run(
            self.networks[name], self.images[rows], self.labels[rows]
        )

    def success(self, attack):
        """The success rate on each network."""
        rates = {}
        for name, model in self.networks.items():
            predicted = self.predictions(model, self.crafted(attack, name)[0])
            labels = self.labels[self.rows_of[name]]
            rates[name] = float((predicted != labels).mean())
        return rates

    def rows(self, title, attack):
        """Success, deviation and transfer for each network."""
        rows = []
        for name, model in self.networks.items():
            start = time.process_time()
            result = self.crafted(attack, name)
            seconds = time.process_time() - start
            chosen = self.rows_of[name]
            labels = self.labels[chosen]
            fell = self.predictions(model, result.images) != labels
            rows.append(
                {
                    "attack": title,
                    "network": name,
                    "epsilon": self.epsilons[name],
                    "images": len(chosen),
                    "success": _share(fell),
                    **self._deviation(model, chosen, result.images),
                    "transfer": self._transfer(name, result.images),
                    "passes": float(sum(result[1:]).mean()),
                    "cpu_s": seconds,
                    "fell": fell,
                }
            )
        return rows

    def _deviation(self, model, rows, x_adv):
        method = GradCAM(normalization="l2", upsample=False, model=model)
        clean, moved = (
            _batched(method, images, self.labels[rows])
            for images in (self.images[rows], x_adv)
        )
        tops = (maps.max((1, 2), keepdims=True) for maps in (clean, moved))
        top, top_moved = tops
        area, area_moved = clean > 0.2 * top, moved > 0.2 * top_moved
        either = np.maximum((area | area_moved).sum((1, 2)), 1)
        overlap = (area & area_moved).sum((1, 2)) / either
        distance = np.sqrt(((clean - moved) ** 2).sum((1, 2)))
        return {"overlap": _mean(overlap), "distance": _mean(distance)}

    def _transfer(self, source, x_adv):
        rates = {}
        for name, model in self.networks.items():
            if name == source:
                continue
            both = self.right[name][self.rows_of[source]]
            labels = self.labels[self.rows_of[source]]
            fell = self.predictions(model, x_adv) != labels
            rates[name] = _share(fell[both])
        return rates


def _batched(method, images, labels, size=128):
    starts = range(0, len(images), size)
    maps = [method(images[i : i + size], labels[i : i + size]) for i in starts]
    return np.concatenate([keras.ops.convert_to_numpy(m) for m in maps])


def _share(values):
    share = values.mean()
    error = (share * (1 - share) / len(values)) ** 0.5
    return [float(share), float(error)]


def _mean(values):
    return [float(values.mean()), float(values.std() / len(values) ** 0.5)]


def compare(rows):
    """Adds to each row how it differs from PGD on the same images."""
    pgd = {
        row["network"]: row["fell"] for row in rows if row["attack"] == "PGD"
    }
    for row in rows:
        fell, theirs = row.pop("fell"), pgd[row["network"]]
        row["success_over_pgd"] = _mean(fell.astype("float64") - theirs)
        row["only_here"] = _share(fell & ~theirs)


def show(row):
    """Prints one row."""

    def percent(value):
        return f"{100 * value[0]:6.1f} +- {100 * value[1]:4.1f}"

    print(
        f"{row['network']:<12}{row['attack']:<28}",
        percent(row["success"]),
        percent(row["success_over_pgd"]),
        f" only here {100 * row['only_here'][0]:.1f}",
        f" overlap {row['overlap'][0]:.3f}  distance {row['distance'][0]:.3f}",
        f" {row['cpu_s']:.1f} s  transfer",
        *(f"{k} {100 * v[0]:.1f}" for k, v in row["transfer"].items()),
        flush=True,
    )
