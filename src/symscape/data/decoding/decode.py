"""Decoding of image files; also the program of the decoding processes (see `pool`).

Imports neither torch nor numpy, so that a process is ready in a tenth of a second.
"""

from __future__ import annotations

import io
import marshal
import sys
import warnings

from PIL import Image, UnidentifiedImageError

from symscape.stopping import safe_point

GREY = ("1", "L", "LA")
DEEP = ("I", "F")
"""First letters of modes with more than 8 bits a channel, which uint8 would falsify."""

Decoded = tuple[bytes, tuple[int, int], bool]
"""RGB bytes in rows of pixels, (height, width), and whether the file is greyscale."""


def decode(data: bytes, image_size: int | None) -> Decoded:
    """Decode one image file to RGB; with `image_size`, resize it to that height and width.

    Raises:
        ValueError: the file is no image, is damaged, or has more than 8 bits a channel.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return convert(image, image_size)
    except UnidentifiedImageError:
        raise ValueError("not an image that Pillow can read") from None
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def convert(image: Image.Image, image_size: int | None) -> Decoded:
    """Bring an opened image to 8-bit RGB; bilinear resizing, averaging where it shrinks."""
    if image.mode.startswith(DEEP):
        raise ValueError(f"has pixels of mode {image.mode}, only 8 bits a channel are read")
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    if image_size is not None and rgb.size != (image_size, image_size):
        rgb = rgb.resize((image_size, image_size), Image.Resampling.BILINEAR)
    return rgb.tobytes(), (rgb.height, rgb.width), image.mode in GREY


def decode_all(files: list[bytes], image_size: int | None) -> list[Decoded] | tuple[int, str]:
    """Decode a chunk of files; of the first broken one return the position and what is wrong."""
    decoded: list[Decoded] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow remarks on metadata, which nobody reads here.
        for data in files:
            safe_point()
            try:
                decoded.append(decode(data, image_size))
            except ValueError as error:
                return len(decoded), str(error)
    return decoded


def main() -> None:
    """Answer chunks from stdin on stdout until stdin ends.

    marshal carries plain bytes and numbers between the two; unlike pickle it cannot run code.
    """
    while True:
        try:
            files, image_size = marshal.load(sys.stdin.buffer)
        except EOFError:
            return
        marshal.dump(decode_all(files, image_size), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
