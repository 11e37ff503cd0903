"""A run as pictures to hand on: an animated PNG of how it came closer, and one sheet with its moments side by side.

Not a GIF, whose 256 colors would alter what the attack found.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from .. import titles
from ..store import Json, RunStore
from .layout import FAINT, PAPER, beside, framed, line, paragraph, stacked
from .pictures import tiles
from .subject import Subject, read

MOST_MOMENTS = 60
"""In an animation, evenly chosen from the frames that were kept."""
STAY, STAY_AT_LAST = 500, 3000
"""Milliseconds for each moment, and for the last: what changes more than twice a second flickers for some people."""
EDGE = 384
"""Longest edge in pixels of a batch in an animation."""
CELL = 128
"""The same of one image on a sheet."""
COLUMNS, ROWS = 5, 12
"""On a sheet: moments beside the original, and images of the batch."""
LEGEND = 120
"""Pixels for the name of an image, left of its row."""
HEAD, TEXT, NOTE = 19, 15, 12
"""Sizes of letters in pixels."""
GAP, MARGIN = 10, 24
WARNING = "May contain recovered personal data: handle it as the original. Made with GIA Lab."


@dataclass(frozen=True)
class Moment:
    """A frame that was kept."""

    iteration: int
    psnr: Sequence[float | None]
    """In dB, of every image of the batch."""
    images: Sequence[Image.Image]


@dataclass(frozen=True)
class Film:
    """A run from the first of its frames to the last."""

    about: Subject
    originals: Sequence[Image.Image]
    moments: Sequence[Moment]
    """At least one, in order."""

    @property
    def setting(self) -> str:
        """Data set and defenses, as far as the job can be read."""
        if (spec := self.about.spec) is None:
            return ""
        defended = " + ".join(titles.title(type(defense)) for defense in spec.defenses)
        return f"{titles.title(type(spec.dataset))} · {defended or 'no defense'}"


def shoot(store: RunStore, run_id: str) -> Film:
    """What the run has shown by now. Raises KeyError where there is no such run, ValueError where it shows nothing."""
    [about] = read(store, [run_id])
    kept = {iteration: seq for seq, iteration in store.frames(run_id)}
    if not kept or about.truth is None or not about.count:
        raise ValueError("This run has no pictures; only an attack that reconstructs images can be drawn.")
    scores = {event.body["iteration"]: event.body["scores"]["psnr"] for event in about.events if measured(event.body)}
    moments = []
    for iteration in spread(sorted(kept), MOST_MOMENTS):
        if (frame := store.frame(run_id, kept[iteration])) is not None:
            before = max((at for at in scores if at <= iteration), default=None)
            psnr = [None] * about.count if before is None else scores[before]
            moments.append(Moment(iteration, psnr, list(tiles(frame.png, about.count))))
    return Film(about, list(tiles(about.truth, about.count)), moments)


def measured(body: Json) -> bool:
    """Whether an event tells how close the images had come."""
    return body.get("iteration") is not None and bool((body.get("scores") or {}).get("psnr"))


def spread(values: Sequence[int], most: int) -> list[int]:
    """At most so many, at even distances, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def animated(film: Film) -> bytes:
    """An animated PNG that loops: the original beside the reconstruction, with iteration and PSNR under it.

    A viewer that cannot animate shows the last moment.
    """
    original = grid(film.originals)
    width = 2 * original.width + GAP
    title, foot = head(film, width), line(WARNING, NOTE, width, color=FAINT)
    left = stacked([original, line("Original", TEXT, original.width)])
    frames = []
    for moment in film.moments:
        words = [line("Reconstruction", TEXT, original.width), line(reached(moment), TEXT, original.width)]
        pair = beside([left, stacked([grid(moment.images), *words])], gap=GAP)
        frames.append(framed(stacked([title, pair, foot], gap=GAP), MARGIN))
    stay = [*[STAY] * (len(frames) - 1), STAY_AT_LAST]
    file = io.BytesIO()
    frames[-1].save(
        file, "PNG", save_all=True, append_images=frames, default_image=True, duration=stay, loop=0, compress_level=3
    )
    return file.getvalue()


def head(film: Film, width: int) -> Image.Image:
    """Who attacked what, in two lines."""
    return stacked([line(film.about.heading, HEAD, width), line(film.setting, TEXT, width, color=FAINT)])


def reached(moment: Moment) -> str:
    """Iteration and PSNR; of several images that of the furthest and of the closest one."""
    known = [value for value in moment.psnr if value is not None]
    if not known:
        return f"iteration {moment.iteration:,}"
    lowest = f"{min(known):.1f} to " if len(moment.psnr) > 1 else ""
    return f"iteration {moment.iteration:,} · PSNR {lowest}{titles.number(max(known), 'psnr')}"


def contact_sheet(film: Film) -> bytes:
    """A PNG with a row for every image: its original, then what came back of it from the first frame to the last."""
    columns = [film.moments[i] for i in spread(range(len(film.moments)), COLUMNS)]
    order = film.about.order
    shown = order if len(order) <= ROWS else [*order[: ROWS - 1], order[-1]]
    rows = [row(film, columns, index) for index in shown]
    edge, width = enlarged(film.originals[0], CELL).width, max(rows[0].width, LEGEND + 4 * CELL)
    names = ["Original", *(f"iteration {moment.iteration:,}" for moment in columns)]
    note = "" if shown == order else f"The closest {ROWS - 1} of {len(order)} images, and the furthest. "
    sheet = [
        stacked([head(film, width), paragraph(film.about.verdict, TEXT, width)]),
        beside([line("", NOTE, LEGEND), *(line(name, NOTE, edge) for name in names)], gap=GAP),
        *rows,
        line(note + WARNING, NOTE, width, color=FAINT),
    ]
    file = io.BytesIO()
    framed(stacked(sheet, gap=GAP), MARGIN).save(file, "PNG")
    return file.getvalue()


def row(film: Film, moments: Sequence[Moment], index: int) -> Image.Image:
    """One image of the batch."""
    original = enlarged(film.originals[index], CELL)
    legend = stacked([line(f"Image {index + 1}", TEXT, LEGEND), line(film.about.label(index), NOTE, LEGEND)])
    found = []
    for moment in moments:
        score = line(titles.number(moment.psnr[index], "psnr"), NOTE, original.width)
        found.append(stacked([enlarged(moment.images[index], CELL), score]))
    return beside([legend, original, *found], gap=GAP)


def grid(images: Sequence[Image.Image]) -> Image.Image:
    """A batch as large as ``EDGE`` allows: ceil(sqrt(B)) columns, with a line of paper between the images."""
    columns = math.ceil(math.sqrt(len(images)))
    width, height = images[0].width + 1, images[0].height + 1
    whole = Image.new("RGB", (columns * width - 1, math.ceil(len(images) / columns) * height - 1), PAPER)
    for i, image in enumerate(images):
        whole.paste(image, (i % columns * width, i // columns * height))
    return enlarged(whole, EDGE)


def enlarged(image: Image.Image, edge: int) -> Image.Image:
    """As many times as fit into ``edge`` pixels, every pixel a square; what is too large already is made smaller."""
    times = edge // max(image.size)
    if times:
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    smaller = image.copy()
    smaller.thumbnail((edge, edge), Image.Resampling.BOX)
    return smaller
