"""An audit from one's own loop."""

import pytest
import torch
from torch import nn

import symscape.library as ss
from symscape.audit.consistency import measure_consistency
from symscape.audit.kernels import measure_kernels
from symscape.audit.tracing.trace import trace
from symscape.errors import SymscapeError
from tests.landscape.nets import images, network


def test_it_is_what_the_rooms_measure():
    net = network()
    labels = torch.arange(12) % 5
    found = ss.audit_network(net, input_size=8, images=images(12), labels=labels, shifts=1)
    seen = trace(net, 3, (8, 8))
    names = [m.layer for m in measure_kernels(seen.convolutions)]
    assert [m.layer for m in found.kernels] == names and len(names) == 19
    assert not found.balance.balanced and found.sizes == ((5, 9), (5, 9))
    assert not found.invariance.exact
    batches = [(images(12), labels)]
    assert found.consistency == measure_consistency(net, batches, shifts=1)


def test_without_labels_there_are_answers_and_no_accuracy():
    found = ss.audit_network(network(), input_size=(8, 8), images=images(4), shifts=1)
    assert found.consistency.accuracy is None and found.consistency.images == 4


def test_without_images_nothing_is_asked():
    assert ss.audit_network(network(), input_size=8).consistency is None


def test_maps_are_compared_pixel_by_pixel():
    net = nn.Conv2d(3, 5, 3, padding=1).double()
    labels = torch.zeros(4, 8, 8, dtype=torch.int64)
    found = ss.audit_network(net, input_size=8, images=images(4), labels=labels, shifts=1)
    assert 0 <= found.consistency.miou <= 1
    with pytest.raises(SymscapeError, match="need a class for each pixel"):
        ss.audit_network(net, input_size=8, images=images(4), shifts=1)


def test_images_of_another_size_are_refused():
    with pytest.raises(SymscapeError, match=r"images: of \(8, 8\) pixels"):
        ss.audit_network(network(), input_size=9, images=images(4))
