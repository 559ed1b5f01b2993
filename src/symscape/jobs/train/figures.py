"""The figures of a finished run, computed on its effective network: the test set's only use."""

from __future__ import annotations

import math

import torch
from torch import nn

from symscape.audit.segmentation import confusion, mean_iou
from symscape.data.batches import Batches
from symscape.data.images import ImageData
from symscape.errors import SymscapeError
from symscape.landscape.evaluation import evaluate
from symscape.layers.effective import effective_network
from symscape.models.build import free_parameters
from symscape.models.ckg import CKGNetwork
from symscape.symmetry.consistency import output_change
from symscape.symmetry.measures import mean_over_layers, measure_network
from symscape.training.fit import EVALUATION_BATCH
from symscape.training.hardware import Hardware
from symscape.training.setup import make_batches

# Six more passes an image: evenly spaced test images are enough for a mean change.
CHANGE_IMAGES = 1000


def final_figures(network: nn.Module, data: ImageData, hardware: Hardware) -> dict[str, float]:
    """Return test loss and accuracy, and what the network's symmetry comes to.

    That is: the change of the logits under each flip and quarter turn, the mean symmetry measures
    of the kernels, and the number of free parameters.

    Evaluated in full precision, so that the network loaded from disk gives the same figures.
    """
    plain = effective_network(network).to(hardware.device, hardware.dtype).eval()
    # A network on a group has the same function, factor after factor, in less time.
    on_group = isinstance(network, CKGNetwork)
    answers = network.to(hardware.device, hardware.dtype).eval() if on_group else plain
    test = make_batches(data.test, data, hardware, batch_size=EVALUATION_BATCH, shuffle=False)
    result = evaluate(answers, test)
    if not math.isfinite(result.loss):
        raise SymscapeError(f"test/loss={result.loss}: not finite")
    count = min(CHANGE_IMAGES, len(data.test))
    chosen = torch.linspace(0, len(data.test) - 1, count).round().long()
    few = data.test.subset(chosen)
    some = make_batches(few, data, hardware, batch_size=EVALUATION_BATCH, shuffle=False)
    changes = output_change(answers, (images for images, _ in some))
    dense = _segmentation(plain, test, len(data.classes)) if data.test.labels.ndim == 3 else {}
    means = mean_over_layers(measure_network(plain))
    figures = {
        "test/loss": result.loss,
        "test/accuracy": result.accuracy,
        **dense,
        **{f"change/{name}": value for name, value in changes.items()},
        **{f"symmetry/{kind}/{group}": value for (kind, group), value in means.items()},
        "free_parameters": free_parameters(network),
    }
    # A kernel that is not square has no S under turns: what is not a number is left out.
    return {name: value for name, value in figures.items() if math.isfinite(value)}


@torch.inference_mode()
def _segmentation(network: nn.Module, test: Batches, classes: int) -> dict[str, float]:
    """Return what a class for each pixel is judged by."""
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    for images, labels in test:
        counts += confusion(network(images).argmax(1), labels, classes)
    return {"test/miou": mean_iou(counts)}
