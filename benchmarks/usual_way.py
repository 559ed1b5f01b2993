"""The usual way to train symmetric kernels, as a yardstick for `training.py`.

Lightning's Trainer at its defaults, a DataLoader that runs torchvision's PIL transforms on every
image, contiguous float32, and kernels averaged over their group images in every forward pass.
"""

from __future__ import annotations

import logging
import time
import warnings

import lightning.pytorch as pl
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassAccuracy
from torchvision import transforms

from symscape.data.images import ImageSet
from symscape.models.resnet import NORMS, Parts, ResNet

WORKERS = 2


class AveragedConv2d(nn.Conv2d):
    """Averages the four quarter turns of its kernel in every forward pass."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with the average."""
        kernel = torch.stack([self.weight.rot90(k, (2, 3)) for k in range(4)]).mean(0)
        return functional.conv2d(x, kernel, None, self.stride, (self.kernel_size[0] // 2,) * 2)


def averaged_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: tuple[int, int],
    *,
    stride: int,
    role: str,
    grid: object = None,
) -> nn.Module:
    """Make the convolutions of the network."""
    padding = kernel_size[0] // 2
    kind = nn.Conv2d if kernel_size == (1, 1) else AveragedConv2d
    return kind(in_channels, out_channels, kernel_size, stride, padding, bias=False)


class PilImages(Dataset[tuple[Tensor, int]]):
    """Images as PIL objects, transformed one by one, as torchvision's data sets do."""

    def __init__(self, images: ImageSet) -> None:
        self.pixels = images.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = images.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.5,) * 3, (0.25,) * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


class UsualModule(pl.LightningModule):
    """Cross-entropy, SGD, a logged loss and accuracy."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.accuracy = MulticlassAccuracy(10, average="micro")

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss of a batch, and log it."""
        images, labels = batch
        logits = self.network(images)
        loss = functional.cross_entropy(logits, labels)
        self.accuracy(logits, labels)
        self.log("train/loss", loss)
        self.log("train/accuracy", self.accuracy, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)


class Clock(pl.Callback):
    """Times the epochs."""

    def on_train_epoch_start(self, *_: object) -> None:
        """Start."""
        self.begin = time.perf_counter()

    def on_train_batch_end(self, *_: object) -> None:
        """Note the time of the last batch of the epoch so far."""
        self.seconds = time.perf_counter() - self.begin


def images_per_second(
    blocks: tuple[int, ...], width: int, images: ImageSet, batch_size: int
) -> float:
    """Return the throughput of the second of two epochs, when the workers are up."""
    network = ResNet(Parts(averaged_conv, NORMS["batch"], (3, 3), "conv"), blocks, width, 3, 10)
    loader = DataLoader(
        PilImages(images),
        batch_size=batch_size,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )
    clock = Clock()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_epochs=2,
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(UsualModule(network), loader)
    return len(images) / clock.seconds
