"""Compares recipes of robust training under one budget.

    python benchmarks/recipes.py --data cifar10.npz --network conv4 \\
        --epsilon 10 --recipes fgsm grad-align --seeds 1 2 --out fgsm_conv4

Each recipe sees the same images in the same order from the same initial
weights. Every `--watch` epochs the model is saved, so a run that was killed
goes on where it was: call it again. `--minutes` ends a call early, for machines
that lend time in pieces. Results go to `benchmarks/results/recipes_<out>.json`;
`--table RECIPE` prints them, with the differences from that recipe, paired by
the seed.

    python benchmarks/recipes.py ... --fork pgd-7 40 \\
        --recipes pgd-7 "pgd-7, signed random, l1=0.2"

trains PGD-7 for 40 epochs, once for each seed, and lets every recipe go on from
there, with the same images and the same noise of the attack: a smaller
difference shows.
"""

import argparse
import os
import pathlib
import sys

_FOLDER = pathlib.Path(__file__).parent


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    sys.path[:0] = [str(_FOLDER.parent), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import recipe_results
    import recipe_runs
    import report

    path = _FOLDER / "results" / f"recipes_{options.out}.json"
    rows = recipe_results.results_of(path, options)
    if options.table:
        return recipe_results.table(rows, options.table)
    known = {(row["recipe"], row["seed"]) for row in rows}
    runs = recipe_runs.Runs(options)
    for seed in options.seeds:
        for recipe in options.recipes:
            if (recipe, seed) in known:
                continue
            try:
                row = runs.run(recipe, seed, rows)
            except recipe_runs.OutOfTime:
                print("out of time: call again to go on")
                return
            recipe_results.show(row)
            # Another call may have written rows of other seeds meanwhile.
            rows = [*recipe_results.results_of(path, options), row]
            options.seed = options.seeds[0]
            settings = recipe_results.settings_of(options)
            report.write(path, options, settings=settings, results=rows)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--data", required=True, help="a .npz file, digits or 'digit scenes'"
    )
    parser.add_argument("--out", required=True, help="name of the results")
    parser.add_argument("--recipes", nargs="+", default=["fgsm", "grad-align"])
    parser.add_argument(
        "--fork", nargs=2, metavar=("RECIPE", "EPOCHS"), help="begin with it"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--network", default="conv4")
    parser.add_argument("--teacher", default="digits", help="of `kad.zoo`")
    parser.add_argument("--epsilon", type=float, default=10, help="of 255")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument(
        "--warm-up", type=int, default=0, help="epochs without an attack"
    )
    parser.add_argument(
        "--ramp", type=int, default=0, help="epochs in which epsilon grows"
    )
    parser.add_argument("--watch", type=int, default=1, help="epochs")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--sgd", action="store_true", help="in place of Adam")
    parser.add_argument("--images", type=int, default=50000)
    parser.add_argument("--test-images", type=int, default=1000)
    parser.add_argument("--auto-attack", type=int, default=0, help="images")
    parser.add_argument(
        "--adaptive",
        type=int,
        default=0,
        help="images for PGD-50-10 that climbs the attention terms too",
    )
    parser.add_argument("--table", metavar="RECIPE", help="print the results")
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--backend", default="torch")
    parser.add_argument(
        "--state", type=pathlib.Path, default=pathlib.Path("recipes_state")
    )
    options = parser.parse_args()
    averaged = [r for r in options.recipes if r.startswith("averaged ")]
    if averaged and options.watch < options.epochs:
        parser.error("averages end with a call of `fit`: --watch EPOCHS")
    if options.fork:
        recipe, epochs = options.fork
        if recipe.startswith("averaged "):
            parser.error("--fork takes a recipe without averages")
        if not epochs.isdigit() or not 0 < int(epochs) < options.epochs:
            parser.error(f"--fork takes 1 to {options.epochs - 1} epochs")
        options.fork = [recipe, int(epochs)]
    return options


if __name__ == "__main__":
    main()
