"""Which images fit into a network."""

from __future__ import annotations


def too_small(model: str, image_shape: tuple[int, int, int], *, least: int) -> str | None:
    """A sentence for the user where the images have fewer than ``least`` pixels a side, else None."""
    _, height, width = image_shape
    if min(height, width) >= least:
        return None
    return (
        f"{model} needs images of at least {least} x {least} pixels, and these have {height} x {width}; "
        "choose larger images or another model."
    )
