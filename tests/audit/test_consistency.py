"""The consistency of a network's answers under flips, turns and moves."""

import json
import math
import threading
from dataclasses import asdict
from itertools import product

import pytest
import torch
from pytest import approx
from torch.nn import functional

from symscape.audit.consistency import (
    cohen_kappa,
    image_mean,
    measure_consistency,
    pair_agreement,
)
from symscape.audit.views import EDGES
from symscape.errors import SymscapeError
from symscape.stopping import Interrupted, _Noted
from symscape.symmetry.consistency import TRANSFORMS
from symscape.symmetry.groups import ELEMENTS
from tests.audit.answers import by_loops, corner_sign, images, labels, small_network, two_logits


def test_a_network_that_reads_the_mean_is_consistent_under_flips_turns_and_rolls():
    found = measure_consistency(two_logits(lambda x: x.mean((1, 2, 3))), [(images(), None)])
    for name in (*TRANSFORMS, "roll"):
        view = found.views[name]
        assert view.agreement.values == [1.0] * 12
        assert (view.agreement.mean, view.agreement.error, view.kappa) == (1.0, 0.0, approx(1.0))
        assert max(view.variation.values) < 1e-15
    # A mirrored edge counts some pixels twice: the mean is another one.
    assert found.views["shift"].variation.mean > 1e-3


def test_a_network_of_one_answer_agrees_and_has_no_kappa():
    found = measure_consistency(two_logits(lambda x: x[:, 0, 0, 0].abs() + 1), [(images(), None)])
    for view in found.views.values():
        assert (view.agreement.mean, view.agreement.error) == (1.0, 0.0)
        assert math.isnan(view.kappa)
        assert view.variation.mean > 0


def test_a_network_that_reads_a_corner_agrees_where_the_corners_share_their_sign():
    x = images()
    found = measure_consistency(two_logits(corner_sign), [(x[:5], None), (x[5:], None)])
    sign = x[:, 0].sign()
    corners = {
        "hflip": (0, 7),
        "vflip": (7, 0),
        "rot90": (0, 7),
        "rot180": (7, 7),
        "rot270": (7, 0),
    }
    for name, (i, j) in corners.items():
        same = (sign[:, i, j] == sign[:, 0, 0]).double()
        view = found.views[name]
        assert view.agreement.values == same.tolist()
        assert view.agreement.mean == approx(same.mean().item())
        assert view.agreement.error == approx(same.std().item() / 12**0.5)
        # Certain of its answer: all of the softmax moves where the answer does.
        assert view.variation.values == approx((1 - same).tolist())


def test_rolls_of_a_network_that_reads_a_corner_count_the_signs_around_it():
    x = images()
    found = measure_consistency(two_logits(corner_sign), [(x, None)], shifts=1).views["roll"]
    around = torch.stack([x[:, 0, i, j] for i, j in product((-1, 0, 1), repeat=2)])
    share = (around > 0).double().mean(0)
    assert found.agreement.values == approx((share**2 + (1 - share) ** 2).tolist())
    away = (around.sign() != x[:, 0, 0, 0].sign()).double().sum(0) / 8
    assert found.variation.values == approx(away.tolist())


def test_40_and_9_of_49_answers_agree_in_7001249_of_the_pairs():
    answers = torch.tensor([[4, 4]] * 40 + [[2, 4]] * 9)
    assert pair_agreement(answers).tolist() == [approx(0.7001249, abs=5e-8), 1.0]
    assert pair_agreement(answers)[0].item() == (40**2 + 9**2) / 49**2


def test_the_agreement_of_pairs_is_that_of_all_pairs():
    answers = torch.randint(4, (9, 5), generator=torch.Generator().manual_seed(3))
    pairs = [answers[i] == answers[j] for i, j in product(range(9), repeat=2)]
    assert torch.allclose(pair_agreement(answers), torch.stack(pairs).double().mean(0), atol=1e-15)


@pytest.mark.parametrize("batch", [5, 12])
def test_moves_are_measured_as_by_a_loop_over_them(batch):
    x, y, network = images(), labels(), small_network()
    batches = list(zip(x.split(batch), y.split(batch), strict=True))
    found = measure_consistency(network, batches, shifts=3)
    with torch.no_grad():
        base = network(x)
        for name, edge in EDGES.items():
            logits = torch.stack([base, *(network(view) for view in by_loops(x, 3, edge))])
            counts = functional.one_hot(logits.argmax(-1), 3).sum(0).double()
            distances = (logits[1:].softmax(-1) - base.softmax(-1)).abs().sum(-1) / 2
            view = found.views[name]
            assert view.agreement.values == approx((counts / 49).square().sum(1).tolist())
            assert view.variation.values == approx(distances.mean(0).tolist())
            assert view.accuracy.values == approx(
                (counts.gather(1, y[:, None])[:, 0] / 49).tolist()
            )
            assert view.agreement.mean == approx(sum(view.agreement.values) / 12)
    assert found.views["shift"].agreement.mean < 1
    assert (found.images, found.shifts) == (12, 3)


def test_flips_and_turns_are_measured_as_by_a_loop_over_them():
    x, y, network = images(), labels(), small_network()
    found = measure_consistency(network, [(x, y)], shifts=1)
    with torch.no_grad():
        base = network(x)
        assert found.accuracy.values == (base.argmax(1) == y).double().tolist()
        for name in TRANSFORMS:
            logits = network(ELEMENTS[name](x))
            view = found.views[name]
            assert view.agreement.values == (logits.argmax(1) == base.argmax(1)).double().tolist()
            assert view.accuracy.values == (logits.argmax(1) == y).double().tolist()
            distances = (logits.softmax(1) - base.softmax(1)).abs().sum(1) / 2
            assert view.variation.values == approx(distances.tolist())


def test_the_total_variation_of_two_softmaxes_by_hand():
    """Odds 3 : 1 and 1 : 1 are .25 apart."""
    x = torch.tensor([[[[math.log(3.0), 0.0], [0.0, 0.0]]]], dtype=torch.float64)
    found = measure_consistency(two_logits(lambda x: x[:, 0, 0, 0]), [(x, None)], shifts=1)
    assert found.views["hflip"].variation.mean == approx(0.25)
    # Rolls by one in 2 x 2 pixels: 2 of 8 moves leave the row in place, none the corner.
    assert found.views["roll"].variation.mean == approx(0.25)
    assert math.isnan(found.views["hflip"].variation.error)


def test_kappa_is_agreement_beyond_chance():
    first = torch.tensor([0] * 25 + [7] * 25)
    second = torch.tensor([0] * 20 + [7] * 5 + [0] * 10 + [7] * 15)
    observed, expected = 35 / 50, (25 * 30 + 25 * 20) / 50**2
    kappa = (observed - expected) / (1 - expected)
    assert cohen_kappa(first, second) == approx(kappa, abs=1e-6) == approx(0.4, abs=1e-6)


def test_the_kappa_of_moves_is_over_all_pairs_but_the_image_with_itself():
    x, network = images(), small_network()
    found = measure_consistency(network, [(x[:7], None), (x[7:], None)], shifts=1)
    with torch.no_grad():
        base = network(x).argmax(1)
        answers = torch.stack([network(view).argmax(1) for view in by_loops(x, 1, "reflect")])
    pairs = (
        functional.one_hot(answers, 3).double().flatten(0, 1).T
        @ functional.one_hot(base.repeat(8), 3).double()
    )
    shares = pairs / 96
    expected = (shares.sum(0) * shares.sum(1)).sum()
    kappa = ((shares.trace() - expected) / (1 - expected)).item()
    assert -1 < kappa < 1
    assert found.views["shift"].kappa == approx(kappa, abs=1e-6)


def test_the_standard_error_is_over_images():
    found = image_mean(torch.tensor([0.0, 1.0, 1.0, 1.0], dtype=torch.float64))
    assert (found.mean, found.error) == (0.75, approx(math.sqrt(0.25 / 4)))
    assert math.isnan(image_mean(torch.ones(1)).error)


@pytest.mark.parametrize("batch", [([1, 2, None], True), ([1, 2, 3], False)])
def test_accuracy_is_left_out_where_labels_are_missing_or_do_not_fit(batch):
    known, fit = batch
    batches = [
        (images(2, seed=i), None if label is None else torch.tensor([label, 400]).clamp(max=2))
        for i, label in enumerate(known)
    ]
    found = measure_consistency(small_network(4), batches, shifts=1, classes_fit=fit)
    assert found.accuracy is None
    assert all(view.accuracy is None for view in found.views.values())


def test_small_precision_is_measured_in_float32():
    """Odds that bfloat16 cannot tell from 1 : 1 in a softmax, but can in logits."""
    x = torch.zeros(2, 1, 4, 4, dtype=torch.bfloat16)
    x[:, :, 0, 0] = 1e-3
    found = measure_consistency(two_logits(lambda x: x[:, 0, 0, 0]), [(x, None)], shifts=1)
    assert found.views["hflip"].variation.mean == approx(0.25e-3, rel=1e-2)


def test_a_result_is_plain_values():
    found = measure_consistency(small_network(), [(images(), labels())], shifts=1)
    tree = asdict(found)
    assert json.loads(json.dumps(tree)) == tree
    assert len(tree["views"]["roll"]["accuracy"]["values"]) == 12


def test_empty_batches_are_passed_over():
    x, y = images(), labels()
    whole = measure_consistency(small_network(), [(x, y)], shifts=1)
    parts = measure_consistency(small_network(), [(x, y), (x[:0], y[:0])], shifts=1)
    assert parts == whole


def test_no_gradient_is_recorded():
    seen = []

    def network(x):
        seen.append((torch.is_inference_mode_enabled(), len(x)))
        return small_network()(x)

    measure_consistency(network, [(images(), None)], shifts=2)
    assert seen == [(True, 12)] * (1 + 5 + 2 * 24)


def test_work_ends_between_views_when_it_is_asked_to(monkeypatch):
    calls = []

    def network(x):
        calls.append(len(x))
        if len(calls) == 9:
            monkeypatch.setattr(_Noted, "name", "SIGTERM")
        return two_logits(corner_sign)(x)

    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(Interrupted):
        measure_consistency(network, [(images(), None)])
    assert len(calls) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shifts": 6}, "shifts=6: must be below both sides of 6x8 images"),
        ({"shifts": 0}, "shifts=0: must be a finite number >= 1"),
        ({"known": torch.full((3,), 3)}, "labels=3: the network's classes are 0 to 2"),
        ({"known": torch.full((3,), -1)}, "labels=-1: the network's classes are 0 to 2"),
        ({"known": torch.zeros(3, 6, 8)}, r"labels=\(3, 6, 8\): must be one class an image"),
        ({"answer": lambda x: x}, "network: answers of shape 3x2x6x8, allowed are"),
        ({"answer": lambda x: x[:, :1, 0, 0]}, "network: answers of shape 3x1, allowed are"),
        (
            {"answer": lambda x: x[:, 0, 0, :3] / torch.tensor([[0.0], [1.0], [1.0]])},
            "network: answers to 1 images are not numbers",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(arguments, message):
    x = images(3, height=6)
    network = arguments.get("answer", lambda x: x[:, 0, 0, :3])
    with pytest.raises(SymscapeError, match=f"^{message}") as caught:
        measure_consistency(
            network, [(x, arguments.get("known"))], shifts=arguments.get("shifts", 1)
        )
    assert "\n" not in str(caught.value)


def test_answers_to_one_view_that_are_not_numbers_are_refused_too():
    x = images(3)
    x[1, 0, 0, -1] = 0
    # The network divides by the left corner, where a flip brings the zero.
    with pytest.raises(SymscapeError, match="answers to 1 images are not numbers"):
        measure_consistency(lambda x: 0 / x[:, 0, :2, 0], [(x, None)], shifts=1)


def test_there_must_be_images_and_all_of_one_shape():
    with pytest.raises(SymscapeError, match="no image"):
        measure_consistency(small_network(), [])
    mixed = [(images(2), None), (images(2, height=6), None)]
    with pytest.raises(SymscapeError, match="square and oblong"):
        measure_consistency(two_logits(corner_sign), mixed, shifts=1)
