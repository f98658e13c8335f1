"""The paper's observations about attention, on real data.

    python benchmarks/attention_study.py --data digit_scenes \\
        --networks out/plain.keras out/adversarial.keras out/defended.keras
    python benchmarks/attention_study.py --data imagenet \\
        --images imagenet.npz --weights mobilenet.weights.h5 \\
        --epsilons 0.25/255 0.5/255 1/255
    python benchmarks/attention_study.py --data tiny_imagenet \\
        --train train.npz --images val.npz --out tiny.keras

(`examples/quickstart.py` trains the first three. The `.npz` files hold `x`,
bytes, `y` and `boxes`, one an image; the weights are those of
keras.applications' MobileNet with alpha 0.75. `--networks tiny.keras` takes a
network that was trained before.)

Each network is studied under each attack at each epsilon. Beside each study
stands what it cannot tell by itself: whether completeness has to do with the
attack's success where the margin of the clean logits, and the size of the
object, are equal.
Several networks are compared on the images that all of them classify correctly.
"""

import argparse
import os
import pathlib
import sys

_FOLDER = pathlib.Path(__file__).parent


def main():
    options = _options()
    os.environ["KERAS_BACKEND"] = options.backend
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    root = _FOLDER.parent
    sys.path[:0] = [str(root), str(root / "examples"), str(_FOLDER)]
    # Imported here: Keras reads its backend when it is imported.
    import attention_study_controls as controls
    import attention_study_data
    import report

    from keras_attn_defense.analysis import compare_studies

    networks, test = attention_study_data.load(options)
    found, comparisons = {}, []
    for attack in options.attacks:
        for epsilon in options.epsilons:
            results = {
                name: _study(
                    name, networks[name], attack, epsilon, test, options
                )
                for name in networks
            }
            for name, result in results.items():
                found[attack, epsilon, name] = result
            if len(results) > 1:
                comparison = compare_studies(results)
                comparison.summary()
                comparisons.append((attack, epsilon, comparison))
    studies = []
    for (attack, epsilon, name), result in found.items():
        controlled = controls.controlled(networks[name], test, result)
        print(f"\n{name}, {attack}, {epsilon}")
        for title, each in (controlled or {}).items():
            print(f"{title}: {each['r']:+.2f}, p = {each['p']:.2g}")
        studies.append(
            {
                "network": name,
                "attack": attack,
                "epsilon": epsilon,
                **_summary(result),
                "controlled": controlled,
            }
        )
    other = options.other and _other(networks, found, test, options)
    _draw(found, comparisons, options)
    report.write(
        _FOLDER / "results" / f"attention_study_{options.data}.json",
        options,
        studies=studies,
        second_method=other,
        comparisons=[
            {
                "attack": attack,
                "epsilon": epsilon,
                "images": int(comparison.common.sum()),
                "rows": comparison.rows,
            }
            for attack, epsilon, comparison in comparisons
        ],
    )


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    option = parser.add_argument
    option(
        "--data",
        choices=("digit_scenes", "imagenet", "tiny_imagenet"),
        required=True,
    )
    option("--networks", type=pathlib.Path, nargs="+", default=[])
    option("--images", type=pathlib.Path, help="images to attack, .npz")
    option("--weights", type=pathlib.Path, help="of MobileNet")
    option("--train", type=pathlib.Path, help="images to train on, .npz")
    option("--out", type=pathlib.Path, help="where to save what is trained")
    option("--epochs", type=int, default=20, help="of the training")
    option("--attacks", nargs="+", default=["step_ll", "bim"])
    option("--epsilons", nargs="+", default=["2/255", "4/255", "8/255"])
    option("--other", choices=("lime", "occlusion"), help="a second method")
    option("--other-limit", type=int, default=64, help="images for it")
    option("--limit", type=int, help="images to attack, the first ones")
    option("--batch-size", type=int, default=32)
    option("--figures", type=pathlib.Path, help="folder to draw to")
    option("--backend", default="torch")
    option("--seed", type=int, default=0, help="of the training")
    return parser.parse_args()


def _study(name, network, attack, epsilon, test, options, **arguments):
    from keras_attn_defense import attacks
    from keras_attn_defense.analysis import AttentionStudy

    known = {"step_ll": attacks.StepLL, "bim": _bim, "iter_ll": attacks.IterLL}
    study = AttentionStudy(
        network,
        known[attack](epsilon=_number(epsilon)),
        batch_size=options.batch_size,
        **arguments,
    )
    print(f"\n{name}, {attack}, {epsilon}", flush=True)
    result = study.run(*test, limit=options.limit, verbose=0)
    result.summary()
    return result


def _number(text):
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)


def _bim(epsilon):
    from keras_attn_defense.attacks import BIM

    return BIM(epsilon=epsilon, steps=10)


def _other(networks, found, test, options):
    """The study with a second method, on the first images."""
    from keras_attn_defense import attention

    method = {
        "lime": lambda: attention.LIME(regions=40, samples=300),
        "occlusion": attention.Occlusion,
    }[options.other]()
    attack, epsilon, name = _most_even(found)
    some = [column[: options.other_limit] for column in test]
    result = _study(
        name,
        networks[name],
        attack,
        epsilon,
        some,
        options,
        other_attention=method,
    )
    return {
        "method": options.other,
        "network": name,
        "attack": attack,
        "epsilon": epsilon,
        **_summary(result),
    }


def _summary(result):
    """The summary without the steps, which the figures show."""
    return {k: v for k, v in result.statistics.items() if k != "steps"}


def _most_even(found):
    """Of the first network and the last attack, the study in which most
    nearly half of the images fall.
    """
    (_, _, network), (attack, _, _) = list(found)[0], list(found)[-1]
    known = {
        key: result.statistics["success"]["share"]
        for key, result in found.items()
        if (key[0], key[2]) == (attack, network)
    }
    return min(known, key=lambda key: abs(known[key] - 0.5))


def _draw(found, comparisons, options):
    if options.figures is None:
        return
    best = _most_even(found)
    print("Drawn:", *best)
    found[best].plot(options.figures / f"attention_study_{options.data}.png")
    for attack, epsilon, comparison in comparisons:
        if (attack, epsilon) == (options.attacks[-1], options.epsilons[-1]):
            name = f"attention_comparison_{options.data}.png"
            comparison.plot(options.figures / name)


if __name__ == "__main__":
    main()
