"""From picture files to arrays: allowed formats only, one way of cropping and resizing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, OverflowError, MemoryError, struct.error)
"""What Pillow raises on damaged files, depending on where the damage is."""

TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What undoes each EXIF orientation."""


def square(image: Image.Image, size: int) -> Image.Image:
    """The largest centered square of a picture, resized with anti-aliasing; the color mode stays."""
    from PIL import Image

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    centered = image.crop((left, top, left + side, top + side))
    # Averaging whole blocks first, down to three times the size, is five times as fast and looks the same.
    return centered.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)


def upright(image: Image.Image) -> Image.Image:
    """All pixels of an opened file as RGB: turned the way the camera was held, on white where it is transparent."""
    from PIL import ExifTags, Image

    # Not ImageOps.exif_transpose, which writes all metadata anew for nothing and fails where some of it is odd.
    turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    turned = image.transpose(Image.Transpose[turn]) if turn else image
    if turned.mode == "I;16":  # Pillow would cut off what is brighter than 255 of 65,535
        turned = turned.point(lambda value: value / 256, "L")
    rgba = turned.convert("RGBA")
    rgb = Image.new("RGB", rgba.size, "white")
    rgb.paste(rgba, mask=rgba)
    return rgb


def read(file: Path, *, size: int) -> np.ndarray:
    """A picture file as (size, size, 3) uint8.

    Raises ValueError naming only the file and its folder if it is damaged or no PNG, JPEG, WebP or BMP.
    """
    import numpy as np
    from PIL import Image

    try:
        with Image.open(file, formats=("PNG", "JPEG", "WEBP", "BMP")) as image:
            return np.array(square(upright(image), size))
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        shown = f"{file.parent.name}/{file.name}"
        raise ValueError(f"{shown} cannot be read as a picture; replace or remove it.") from error
