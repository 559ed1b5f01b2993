"""What the runs of a study say of claims, on results whose answer is known."""

import pytest

from symscape.jobs.audit.claims import claims_of
from symscape.runs.results import AuditResult
from symscape.runs.subjects import RunReference

LABELS = {name: name for name in ("plain", "s36", "s37", "blurred", "a", "b", "c")}


def layer(name, score, stride=1, skew=0.0, twin_p=0.5):
    return {
        "layer": name,
        "score": score,
        "stride": [stride, stride],
        "null": {"mean": 0.4},
        "twin": 0.3,
        "single": 0.4,
        "p": 0.5,
        "strength_p": 0.5,
        "twin_p": twin_p,
        "skew_rows": skew,
        "skew_columns": skew,
    }


def consistency(shift):
    def view(mean):
        return {
            "agreement": {"mean": mean},
            "variation": {"mean": 0.1},
            "kappa": 0.5,
            "accuracy": None,
        }

    views = {"shift": view(shift), "hflip": view(0.5), "rot90": view(0.5)}
    return {"views": views, "accuracy": None, "images": 10, "content": "x"}


def run(seed, *, name="plain", layers=(), size=32, shift=None, **about):
    subject = RunReference("f", "s", name, seed, "resnet20", "vanilla", "none", f"{name}{seed}")
    settings = {"padding": "zeros", "downsample": "stride", "blur": None, **about}
    return AuditResult(
        subject=subject,
        about={"input_size": [size, size], **settings},
        kernels={"init": list(layers), "final": list(layers)},
        padding=None,
        invariance=None,
        consistency=None if shift is None else consistency(shift),
        left_out={},
    )


def verdicts(results, word):
    return [claim.verdict for claim in claims_of(results, LABELS) if word in claim.text]


@pytest.mark.parametrize(
    ("most", "few", "said"), [(0.01, 0.9, "supported"), (0.9, 0.01, "not supported")]
)
def test_twins(most, few, said):
    # Of 200 layers none, one and two differ from the others: so the runs have some spread.
    results = [
        run(seed, layers=[layer(str(i), 0.5, twin_p=few if i < seed else most) for i in range(200)])
        for seed in range(3)
    ]
    assert verdicts(results, "beat chance") == [said]


def test_runs_that_all_say_the_same_say_nothing_of_their_spread():
    layers = [layer("a", 0.5, twin_p=0.01), layer("b", 0.5, twin_p=0.02)]
    (claim,) = claims_of([run(seed, layers=layers) for seed in range(3)], LABELS)
    assert (claim.value, claim.low, claim.high) == (1, 1, 1)
    assert claim.verdict == "undecided" and claim.note == "no spread among runs"


def test_mitigations_are_compared_at_one_size():
    strided = [[layer("a", s, stride=2)] for s in (0.3, 0.31, 0.9, 0.92, 0.5, 0.53)]
    results = [run(i % 2, layers=strided[i], size=(32, 32, 36, 36)[i]) for i in range(4)]
    blurred = {"name": "blurred", "downsample": "blur"}
    results += [run(i % 2, layers=strided[i], **blurred) for i in (4, 5)]
    (claim,) = [c for c in claims_of(results, LABELS) if "S rises" in c.text]
    assert claim.n == 2 and claim.value == pytest.approx(0.21)


@pytest.mark.parametrize(("leans", "said"), [(-0.2, "supported"), (0.2, "not supported")])
def test_sizes(leans, said):
    results = []
    for seed in range(3):
        for size, skew in ((36, leans + 0.01 * seed), (37, 0.0)):
            results.append(run(seed, name=f"s{size}", size=size, layers=[layer("c", 0.5, 2, skew)]))
    assert verdicts(results, "lean further") == [said]


def test_mitigations_look_at_the_layers_that_plain_networks_stride():
    results = []
    for seed in range(3):
        plain = [layer("a", 0.9), layer("b", 0.4 + 0.01 * seed, 2)]
        blurred = [layer("a", 0.1), layer("b", 0.6 + 0.012 * seed)]
        results += [
            run(seed, layers=plain),
            run(seed, name="blurred", layers=blurred, downsample="blur"),
        ]
    (claim,) = [c for c in claims_of(results, LABELS) if "S rises" in c.text]
    assert claim.verdict == "supported" and claim.value == pytest.approx(0.202)
    assert claim.n == 3 and claim.text.startswith("zeros, blur: ")


def test_correlations_among_equal_settings():
    results = []
    for k, name in enumerate(("a", "b", "c")):
        for seed in range(5):
            # Across kinds it falls, within each it rises.
            score = 0.5 + 0.1 * k + 0.01 * seed
            results.append(
                run(seed, name=name, layers=[layer("x", score)], shift=0.9 - 0.2 * k + 0.01 * seed)
            )
    found = {c.text: c for c in claims_of(results, LABELS) if c.quantity == "rank correlation"}
    own = found["S goes with agreement/shift among equal settings"]
    assert own.value == pytest.approx(1.0) and own.n == 15
    assert own.as_row()["verdict"] == own.verdict
    # Of what does not vary there is nothing to say; an interval at r = 1 would be a point.
    assert not any("hflip" in text for text in found)
    assert own.verdict == "undecided" and own.as_row()["low"] == "" and own.note


def test_a_single_run_claims_nothing_decided():
    assert {c.verdict for c in claims_of([run(0, layers=[layer("a", 0.5)])], LABELS)} <= {
        "undecided"
    }
    assert claims_of([], LABELS) == []
