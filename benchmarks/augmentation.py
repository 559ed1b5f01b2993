"""python benchmarks/augmentation.py: images/s of each augmentation, against the target and PIL."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

from symscape.data.augment import POLICIES
from symscape.data.batches import Batches, resident
from symscape.data.images import ImageSet, channels_last

TARGET = 100_000
"""Images/s that keep augmentation below 2 % of a training step at 1,600 images/s."""
MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


def random_set(count: int) -> ImageSet:
    """Return random images, (count, 3, 32, 32)."""
    images = torch.randint(256, (count, 32, 32, 3), dtype=torch.uint8)
    return channels_last(images, torch.randint(10, (count,)))


def whole_batches(images: ImageSet, policy: str, batch_size: int, device: str) -> float:
    """Return images/s of shuffled Batches: gather, augment, normalise."""
    batches = Batches(
        images,
        batch_size=batch_size,
        mean=MEAN,
        std=STD,
        device=device,
        policy=policy,
        seed=0,
        shuffle=True,
        drop_last=True,
        limit=40,
    )
    resident(images, batches.device)

    def some() -> None:
        for _ in batches:
            pass
        if device == "cuda":
            torch.cuda.synchronize()

    return len(batches) * batch_size / seconds(some, repeats=20)


def usual_way(images: ImageSet, policy: str, batch_size: int, count: int) -> float:
    """Return images/s of torchvision's transforms of PIL images, one at a time, then stacked."""
    transform = pil_transform(policy)
    pixels = images.images.permute(0, 2, 3, 1).numpy()
    rows = torch.split(torch.randperm(len(images))[:count], batch_size)

    def part() -> None:
        for batch in rows:
            torch.stack([transform(Image.fromarray(pixels[row])) for row in batch])

    return count / seconds(part)


def pil_transform(policy: str) -> Callable[[Image.Image], Tensor]:
    """Return what users write for a policy."""
    turns = [transforms.RandomRotation((a, a)) for a in (0, 90, 180, 270)]
    steps = {
        "none": [],
        "hflip": [transforms.RandomHorizontalFlip()],
        "vflip": [transforms.RandomVerticalFlip()],
        "hvflip": [transforms.RandomHorizontalFlip(), transforms.RandomVerticalFlip()],
        "rot90": [transforms.RandomChoice(turns)],
        "standard": [transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip()],
    }[policy]
    last = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    composed: Callable[[Image.Image], Tensor] = transforms.Compose([*steps, *last])
    return composed


def seconds(work: Callable[[], None], repeats: int = 5) -> float:
    """Return the shortest duration after one run to warm up: others on the machine only add."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print a row a policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    images = random_set(args.images)
    print(f"3x32x32, batch {args.batch_size}, {args.device}, {torch.get_num_threads()} threads")
    print(f"{'policy':10}{'images/s':>12}{'of target':>12}{'PIL way':>12}{'ratio':>8}")
    for policy in POLICIES:
        fast = whole_batches(images, policy, args.batch_size, args.device)
        slow = usual_way(images, policy, args.batch_size, min(2048, args.images))
        print(f"{policy:10}{fast:12,.0f}{fast / TARGET:11.1f}x{slow:12,.0f}{fast / slow:7.0f}x")


if __name__ == "__main__":
    main()
