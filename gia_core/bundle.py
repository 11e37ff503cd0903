"""A zip that another installation wrote → a run in this store: whole, or refused in one sentence.

Nothing is unpacked to disk, and nothing in it is believed before it was checked: anybody may have made it.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from . import jobs
from .bundle_contents import Manifest, Progress, Recorded, Started, Told
from .report import MANIFEST
from .spec import AuditSpec
from .store import Event, Frame, Left, RunStore

MOST_BYTES = 200 * 2**20
"""Of the zip itself."""
MOST_UNPACKED = 512 * 2**20
MOST_OF_ONE = 64 * 2**20
"""Bytes of one file in it."""
MOST_FILES = 1000
MOST_PIXELS = 4096 * 4096
"""Of one picture."""
NAME = re.compile(
    r"(README\.txt|(spec|scores|events|manifest)\.json|scores\.csv|truth\.png|"
    r"(original|reconstruction)-\d{1,3}\.png|frames/\d{1,9}\.png)"
)
"""Every file that a bundle may hold: no path leads anywhere."""
NEEDED = ("spec.json", "scores.json", "events.json")
MARKUP = re.compile(r"<\s*[a-zA-Z/!?]|javascript:|\]\(|[\x00-\x08\x0b\x0c\x0e-\x1f]", re.IGNORECASE)
"""What no label, message or version has in it unless somebody wants a browser to run or load something."""
APART = "Its pictures do not fit to each other."

Model = TypeVar("Model", bound=BaseModel)


class BundleError(ValueError):
    """The bundle is refused; the message is one sentence that says why."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that was checked."""

    spec: AuditSpec
    left: Left


def load(file: Path, store: RunStore) -> str:
    """Take the run of a bundle into ``store``, and return its new id. Raises BundleError, and OSError."""
    if file.stat().st_size > MOST_BYTES:
        raise BundleError(f"The bundle is larger than {MOST_BYTES // 2**20} MB, so it was not opened.")
    return take_in(file.read_bytes(), store)


def take_in(content: bytes, store: RunStore) -> str:
    """The same from the bytes of the zip."""
    bundle = read(content)
    return store.adopt(bundle.spec, bundle.left)


def read(content: bytes) -> Bundle:
    """Raises BundleError where anything about the bundle is not as this version writes it."""
    files = unpacked(content)
    manifest = parsed(Manifest, files.pop(MANIFEST, b""), MANIFEST)
    check_hashes(files, manifest)
    spec = read_spec(files["spec.json"])
    bodies = read_events(files["events.json"])
    told = parsed(Told, files["scores.json"], "scores.json")
    check_texts(from_json(files["spec.json"]), told.provenance, manifest.error, *(body.body for body in bodies))
    frames = read_frames(files, manifest, {body.seq for body in bodies})
    truth = files.get("truth.png")
    check_pictures(bodies, [*([] if truth is None else [truth]), *(frame.png for frame in frames)])
    digest = hashlib.sha256(content).hexdigest()
    return Bundle(
        spec,
        Left(
            status=manifest.status,
            started_at=manifest.started_at,
            finished_at=manifest.finished_at,
            error=manifest.error,
            provenance={**(told.provenance or {}), "imported": f"run {manifest.run}, bundle SHA-256 {digest}"},
            events=[Event(body.seq, body.at, body.body) for body in bodies],
            frames=frames,
            truth=truth,
        ),
    )


def unpacked(content: bytes) -> dict[str, bytes]:
    """Every file by its name, read no further than it may be long."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_listing(archive.infolist())
            return {info.filename: bounded(archive, info) for info in archive.infolist()}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, OSError, RuntimeError) as error:
        raise BundleError("The file is no zip that can be read, or it is damaged.") from error


def check_listing(listed: list[zipfile.ZipInfo]) -> None:
    """What the zip says of itself, before anything is unpacked."""
    names = [info.filename for info in listed]
    if len(names) > MOST_FILES:
        raise BundleError(f"The bundle holds more than {MOST_FILES} files, which no run leaves behind.")
    if len(set(names)) < len(names):
        raise BundleError("The bundle holds two files of one name.")
    if not all(NAME.fullmatch(name) for name in names):
        raise BundleError("The bundle holds a file that does not belong to a run.")
    if any(info.flag_bits & 1 for info in listed):
        raise BundleError("The bundle is encrypted; export it again without a password.")
    if sum(info.file_size for info in listed) > MOST_UNPACKED or any(info.file_size > MOST_OF_ONE for info in listed):
        raise BundleError("The bundle unpacks to more than any run leaves behind.")


def bounded(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """What is said of the length need not be true."""
    try:
        with archive.open(info) as file:
            content = file.read(MOST_OF_ONE + 1)
    except Exception as error:  # the decompressor has errors of its own
        raise BundleError("The file is no zip that can be read, or it is damaged.") from error
    if len(content) != info.file_size:
        raise BundleError("The bundle unpacks to something else than it says.")
    return content


def parsed(kind: type[Model], content: bytes, name: str) -> Model:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise BundleError(f"Its {name} is missing, or not as this version of GIA Lab writes it.") from error


def check_hashes(files: Mapping[str, bytes], manifest: Manifest) -> None:
    if set(files) != set(manifest.files) or not set(NEEDED) <= set(files):
        raise BundleError("The bundle does not hold exactly the files that its manifest lists.")
    if any(hashlib.sha256(content).hexdigest() != manifest.files[name] for name, content in files.items()):
        raise BundleError("A file of the bundle was changed after it was exported: its SHA-256 is not the manifest's.")


def read_spec(content: bytes) -> AuditSpec:
    try:
        job = jobs.read(content)
    except ValueError as error:
        raise BundleError("Its setup is of a kind or a version that this version of GIA Lab cannot read.") from error
    if not isinstance(job, AuditSpec):
        raise BundleError("It holds an experiment of another kind; only audits can be imported.")
    return job


def read_events(content: bytes) -> list[Recorded]:
    try:
        found = TypeAdapter(list[Recorded]).validate_json(content)
    except ValidationError as error:
        raise BundleError("Its events are not as this version of GIA Lab writes them.") from error
    if any(later.seq <= earlier.seq for earlier, later in pairwise(found)):
        raise BundleError("Its events are out of order.")
    return found


def check_texts(*parts: Any) -> None:
    """Refuse markup wherever a person or a browser would read it; the pages escape it as well."""
    if any(MARKUP.search(text) for part in parts for text in texts(part)):
        raise BundleError("A label or message in the bundle holds markup or control characters.")


def texts(value: Any) -> Iterator[str]:
    """Every string in a JSON value, those that name fields too."""
    match value:
        case str():
            yield value
        case dict():
            for name, part in value.items():
                yield from texts(name)
                yield from texts(part)
        case list():
            for part in value:
                yield from texts(part)


def read_frames(files: Mapping[str, bytes], manifest: Manifest, seqs: set[int]) -> list[Frame]:
    """The reconstructions in order, each at an event that there is."""
    kept = {int(name[len("frames/") : -len(".png")]): png for name, png in files.items() if name.startswith("frames/")}
    if set(kept) != set(manifest.frames) or not set(kept) <= seqs:
        raise BundleError("Its frames do not belong to its events.")
    return [Frame(seq, manifest.frames[seq], kept[seq]) for seq in sorted(kept)]


def check_pictures(bodies: list[Recorded], sprites: list[bytes]) -> None:
    """Grids of the images that the run told of and scored, all of one size, which can be opened."""
    started = next((body.told for body in bodies if isinstance(body.told, Started)), None)
    count = len(started.labels) if started is not None else 0
    if any(length != count for body in bodies for length in body.lengths):
        raise BundleError("Its scores do not belong to its images.")
    for body in bodies:
        if isinstance(body.told, Progress) and (drawn := body.told.samples):
            check_grid(size_of(drawn.png), drawn.count)
    if not sprites:
        return
    if not count:
        raise BundleError("It holds pictures, but its events tell of none.")
    sizes = {size_of(sprite) for sprite in sprites}
    if len(sizes) > 1:
        raise BundleError(APART)
    check_grid(next(iter(sizes)), count)


def check_grid(size: tuple[int, int], count: int) -> None:
    """Whether a sprite of this width and height can hold so many images of one size."""
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    if size[0] % columns or size[1] % rows:
        raise BundleError(APART)


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height of a picture that can be decoded."""
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if image.width * image.height > MOST_PIXELS or image.mode not in ("L", "RGB"):
                raise BundleError("A picture in the bundle is larger than any run leaves behind, or of another kind.")
            image.load()
            return image.size
    except BundleError:
        raise
    except Exception as error:  # a decoder may fail in any way
        raise BundleError("A picture in the bundle cannot be opened.") from error
