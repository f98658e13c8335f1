"""Smallest perturbations beside Foolbox: distance and CPU time (PyTorch).

    python benchmarks/parity_distances.py --networks nets/ --data cifar10.npz

The attacks that look for the smallest perturbation, with the same numbers of
steps or queries, one after the other on the same weights and images
(`train_networks.py` makes the network). Foolbox's HopSkipJump runs first, and
ours gets the queries that it took; both start from the same images.
"""

import argparse
import os
import pathlib
import sys
import time

_FOLDER = pathlib.Path(__file__).parent


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend = "torch"
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import keras
    import numpy as np
    import report

    path = options.networks / f"{options.name}.keras"
    model = keras.saving.load_model(path)
    with np.load(options.data) as file:
        x = file["x_test"][:1000].astype("float32") / 255
        y = file["y_test"][:1000].reshape(-1).astype("int32")
    right = model.predict(x, verbose=0).argmax(-1) == y
    x, y = x[right][: options.images], y[right][: options.images]
    rows = []
    for name, norm, theirs, ours in _attacks(options):
        if options.attacks and name not in options.attacks:
            continue
        row = {"attack": name, "norm": norm}
        peer, row["theirs_cpu_s"], calls = _foolbox(model, theirs, x, y)
        attack = ours(calls)
        start = time.process_time()
        result = attack.run(model, x, y, len(x))
        row["ours_cpu_s"] = time.process_time() - start
        row["theirs_calls"] = calls
        row["ours_passes"] = float(result.forward_passes.mean())
        for who, images in (("theirs", peer), ("ours", result.images)):
            wrong = model.predict(images, verbose=0).argmax(-1) != y
            sizes = np.where(wrong, _sizes(images - x, norm), np.inf)
            row[who] = float(np.median(sizes))
            row[f"{who}_found"] = float(wrong.mean())
        rows.append(row)
        print(row, flush=True)
        # After each row: a long run that is stopped leaves its results.
        kind = "".join(
            "_" + "".join(filter(str.isalnum, each.lower()))
            for each in options.attacks or ()
        )
        path = _FOLDER / "results" / f"parity_distances{kind}.json"
        report.write(path, options, results=rows)


def _attacks(options):
    """Name, norm, Foolbox's attack, and a function of calls to ours."""
    import foolbox

    from keras_attn_defense import attacks

    theirs, steps, seed = foolbox.attacks, options.steps, options.seed
    rounds = {"binary_search_steps": options.rounds, "steps": steps}
    for norm, peer in (
        ("linf", theirs.LInfFMNAttack),
        ("l1", theirs.L1FMNAttack),
        ("l0", theirs.L0FMNAttack),
    ):
        ours = attacks.FMN(norm=norm, steps=steps)
        yield "FMN", norm, peer(steps=steps), lambda _, ours=ours: ours
    ddn = attacks.DDN(steps=steps)
    yield "DDN", "l2", theirs.DDNAttack(steps=steps), lambda _: ddn
    fmn = attacks.FMN(norm="l2", steps=steps)
    peer = theirs.DDNAttack(steps=steps)
    yield "FMN (theirs: DDN)", "l2", peer, lambda _: fmn
    ead = attacks.EAD(**rounds)
    peer = theirs.EADAttack(decision_rule="L1", **rounds)
    yield "EAD", "l1", peer, lambda _: ead
    cw = attacks.CarliniWagner(**rounds)
    peer = theirs.L2CarliniWagnerAttack(**rounds)
    yield "C&W", "l2", peer, lambda _: cw
    for norm in ("l2", "linf"):
        peer = theirs.HopSkipJumpAttack(
            steps=options.iterations, constraint=norm
        )

        def ours(calls, norm=norm):
            # The clean image and its class count.
            return attacks.HopSkipJump(queries=calls - 2, norm=norm, seed=seed)

        yield "HopSkipJump", norm, peer, ours
    # A step asks once or twice, and once more where it looks how it goes.
    peer = theirs.BoundaryAttack(steps=options.boundary_steps)
    yield (
        "Boundary",
        "l2",
        peer,
        lambda calls: attacks.HopSkipJump(
            queries=calls - 2, norm="l2", seed=seed
        ),
    )


def _foolbox(model, attack, x, y):
    """Images, CPU seconds and calls of the model of a Foolbox attack."""
    import foolbox
    import numpy as np
    import peers
    import torch

    module = peers.module(model)
    calls = []
    module.register_forward_hook(lambda *_: calls.append(1))
    victim = foolbox.PyTorchModel(module, bounds=(0, 1))
    torch.manual_seed(0)
    np.random.seed(0)
    images = torch.tensor(x.transpose(0, 3, 1, 2).copy())
    more = {}
    kinds = foolbox.attacks.HopSkipJumpAttack, foolbox.attacks.BoundaryAttack
    if isinstance(attack, kinds):
        starts = _starts(model, x, y).transpose(0, 3, 1, 2)
        more = {"starting_points": torch.tensor(starts.copy())}
    start = time.process_time()
    crafted, _, _ = attack(
        victim, images, torch.tensor(y).long(), epsilons=None, **more
    )
    seconds = time.process_time() - start
    crafted = crafted.detach().numpy().transpose(0, 2, 3, 1)
    return crafted, seconds, len(calls)


def _starts(model, x, y):
    """The images that our HopSkipJump starts from."""
    from keras_attn_defense.attacks import HopSkipJump
    from keras_attn_defense.classifier import as_classifier

    return HopSkipJump().starts(as_classifier(model), x, y, len(x))


def _sizes(change, norm):
    import numpy as np

    order = {"linf": np.inf, "l2": 2, "l1": 1, "l0": 0}[norm]
    return np.linalg.norm(change.reshape(len(change), -1), order, axis=-1)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--networks", type=pathlib.Path, required=True)
    parser.add_argument("--data", required=True, help="a .npz file")
    parser.add_argument("--name", default="plain")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument(
        "--rounds", type=int, default=5, help="binary search steps"
    )
    parser.add_argument(
        "--iterations", type=int, default=3, help="of Foolbox's HopSkipJump"
    )
    parser.add_argument(
        "--boundary-steps", type=int, default=450, help="of BoundaryAttack"
    )
    parser.add_argument("--attacks", nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
