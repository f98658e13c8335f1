"""Robust accuracy beside the published code, on the same weights and images.

    python benchmarks/parity.py --networks networks/ --data cifar10.npz

Attacks two networks (`train_networks.py` makes them) with each component of
AutoAttack and with the whole. On PyTorch the published code (the package
`pyautoattack`) attacks too; on the other backends only ours does, so that
backends can be compared. Components attack every image that is classified
correctly. CPU seconds of the whole process, all threads.
"""

import argparse
import os
import pathlib
import sys
import time

_FOLDER = pathlib.Path(__file__).parent
# Where the networks lose part of their images, not all or none.
_EPSILONS = {
    ("plain", "linf"): 1 / 255,
    ("plain", "l2"): 0.15,
    ("plain", "l1"): 2.0,
    ("adversarial", "linf"): 8 / 255,
    ("adversarial", "l2"): 0.5,
    ("adversarial", "l1"): 12.0,
}
_COMPONENTS = ["apgd-ce", "apgd-dlr", "apgd-t", "fab-t", "square"]


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import keras
    import numpy as np
    import report

    with np.load(options.data) as file:
        x = file["x_test"][: options.images].astype("float32") / 255
        y = file["y_test"][: options.images].reshape(-1).astype("int32")
    rows = []
    print(f"{'':<32}   ours  theirs   ours s  theirs s")
    for name in options.names:
        model = keras.saving.load_model(options.networks / f"{name}.keras")
        right = model.predict(x, verbose=0).argmax(-1) == y
        for attack in options.attacks:
            epsilon = _EPSILONS[name, options.norm]
            row = {"network": name, "attack": attack, "epsilon": epsilon}
            row["clean"] = float(right.mean())
            for who, run in _contestants(options.backend).items():
                start = time.process_time()
                x_adv = run(model, attack, epsilon, options, x[right], y[right])
                row[f"{who}_cpu_s"] = time.process_time() - start
                predicted = model.predict(x_adv, verbose=0).argmax(-1)
                held = (predicted == y[right]).sum()
                row[who] = float(held / len(y))
            rows.append(row)
            _print(row)
            path = f"parity_{options.norm}_{options.backend}.json"
            # After each row: a long run that is stopped leaves its results.
            report.write(_FOLDER / "results" / path, options, results=rows)


def _contestants(backend):
    if backend == "torch":
        return {"ours": _ours, "theirs": _theirs}
    return {"ours": _ours}


def _ours(model, name, epsilon, options, x, y):
    from keras_attn_defense import attacks

    arguments = {"norm": options.norm, "seed": options.seed}
    whole = attacks.AutoAttack(epsilon, **arguments)
    # With the settings that it has in the whole, more restarts in l1.
    attack = {"autoattack": whole, **whole.components(10)}.get(name)
    attack = attack or attacks.get(name, epsilon, **arguments)
    if name == "square":
        attack.steps = options.queries
    attack.reseed(options.seed)
    return attack.run(model, x, y, options.batch_size).images


def _theirs(model, name, epsilon, options, x, y):
    import peers
    import pyautoattack
    import torch

    suite = pyautoattack.AutoAttack(
        peers.channels_first(model),
        norm=options.norm.capitalize(),
        eps=epsilon,
        seed=options.seed,
        version="standard",
    )
    if name != "autoattack":
        suite.attacks_to_run = [name]
        suite.square.n_queries = options.queries
    images = torch.tensor(x.transpose(0, 3, 1, 2).copy())
    crafted, _ = suite.run_standard_evaluation(
        images, torch.tensor(y).long(), batch_size=options.batch_size
    )
    return crafted.detach().numpy().transpose(0, 2, 3, 1)


def _print(row):
    label = f"{row['network']}, {row['attack']}"
    values = [row.get(n, float("nan")) for n in ("ours", "theirs")]
    seconds = [row.get(f"{n}_cpu_s", float("nan")) for n in ("ours", "theirs")]
    cells = [f"{100 * v:7.2f}" for v in values]
    print(f"{label:<32}", *cells, *(f"{s:8.1f}" for s in seconds), flush=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--networks", type=pathlib.Path, required=True)
    parser.add_argument("--data", required=True, help="a .npz file")
    parser.add_argument("--norm", default="linf", choices=["linf", "l2", "l1"])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--queries", type=int, default=5000, help="of Square by itself"
    )
    parser.add_argument("--names", nargs="+", default=["plain", "adversarial"])
    parser.add_argument(
        "--attacks", nargs="+", default=[*_COMPONENTS, "autoattack"]
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
