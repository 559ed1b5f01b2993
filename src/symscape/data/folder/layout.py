"""The shape of a folder of images: `train/<class>/*` and `test/<class>/*`.

Standard library alone: a finished run is recognised without loading torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NoReturn

from symscape.errors import SymscapeError

SPLITS = ("train", "test")
IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")


def is_ignored(parts: Iterable[str]) -> bool:
    """Whether a path is hidden, or what an operating system leaves beside images."""
    return any(part.startswith(".") or part in IGNORED for part in parts)


class Layout:
    """Collects the paths of a source and checks that they make up a data set.

    Args:
        root: The tree or archive as the user named it, for the errors.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.images: Counter[tuple[str, str]] = Counter()
        self.seen: set[str] = set()
        self.elsewhere: set[str] = set()
        self.total: int | None = None
        """Number of images, where the source knows it before it reads them."""

    def add(self, path: str, *, is_folder: bool) -> None:
        """Note an image, `train/<class>/<name>`, or a folder: an empty class must not go unnoticed.

        Raises:
            SymscapeError: the path lies too high or too deep, or an image came before.
        """
        depth = path.count("/") + 1
        if depth > 3 - is_folder or (depth < 3 and not is_folder):
            self.fail(f"{path} lies outside train/<class>/ and test/<class>/")
        if depth == 1:
            return
        split, name, *image = path.split("/")
        if image and path in self.seen:
            self.fail(f"{path} is there twice")
        self.seen.update([path] if image else [])
        self.images[split, name] += len(image)

    def classes(self) -> tuple[str, ...]:
        """Return the sorted class names.

        Raises:
            SymscapeError: a part is missing, or a class has no images, or is in one part alone.
        """
        if not self.images:
            found = ", ".join(sorted(self.elsewhere)[:5]) or "nothing"
            self.fail(f"needs the folders train/<class>/ and test/<class>/, has {found}")
        for split in SPLITS:
            if not any(of == split for of, _ in self.images):
                self.fail(f"has no {split}/ with a folder a class")
        for (split, name), count in sorted(self.images.items()):
            self._check(split, name, count)
        return tuple(sorted({name for _, name in self.images}))

    def _check(self, split: str, name: str, count: int) -> None:
        other = SPLITS[1 - SPLITS.index(split)]
        if (other, name) not in self.images:
            self.fail(f"class {name} is in {split}/ alone, needed in {other}/ too")
        if count == 0:
            self.fail(f"class {name} has no images in {split}/{name}/")

    def fail(self, why: str) -> NoReturn:
        """Raise a SymscapeError that names the source."""
        raise SymscapeError(f"data.root={self.root}: {why}")
