"""Files as browsers send them, good and bad. The bad ones are real bytes, made here."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin
from pydantic import ValidationError

from gia_core.datasets.upload import Picture, Upload
from gia_core.datasets.uploads import FORMATS, MOST_BYTES, decode, decode_all

ORIENTATION, GPS, MAKE = 0x0112, 0x8825, 0x010F


def photograph(width: int = 60, height: int = 40, mode: str = "RGB") -> Image.Image:
    """Smooth colors, different everywhere, so that turning or cutting it shows."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pixels = np.stack([across, down, 255 - across], axis=2).round().astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def file(image: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def pixels_of(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.png)))).astype(int)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header announces that many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def refusal(name: str, content: bytes) -> str:
    """The one sentence with which a file is refused."""
    with pytest.raises(ValueError, match=r"^[^\n]+[.]$") as refused:
        decode(name, content, size=32)
    assert not isinstance(refused.value, ValidationError)
    return str(refused.value)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("size", [32, 64, 128])
def test_a_good_file_becomes_a_small_square_png(ending: str, size: int) -> None:
    picture = decode(f"Holiday 1{ending.upper()}", file(photograph(), FORMATS[ending]), size=size)
    assert picture.name == "Holiday 1"
    assert pixels_of(picture).shape == (size, size, 3)


def test_the_center_is_kept() -> None:
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste((0, 255, 0), (100, 0, 200, 100))
    assert (pixels_of(decode("a.png", file(wide, "PNG"), size=32)) == (0, 255, 0)).all()


def test_metadata_is_gone() -> None:
    exif = Image.Exif()
    exif[MAKE] = "Camera of Jane Roe"
    exif.get_ifd(GPS).update({1: "N", 2: (52.0, 31.0, 12.0)})
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "taken by Jane Roe")
    for kind, ending, extra in (
        ("JPEG", "jpg", {"comment": b"Jane Roe"}),
        ("PNG", "png", {"pnginfo": text}),
        ("WEBP", "webp", {}),
    ):
        content = file(photograph(), kind, exif=exif, icc_profile=b"profile of Jane Roe", **extra)
        assert b"Jane Roe" in content
        kept = base64.b64decode(decode(f"a.{ending}", content, size=32).png)
        assert b"Jane Roe" not in kept
        assert set(re.findall(rb"IHDR|IDAT|IEND|eXIf|tEXt|zTXt|iTXt|iCCP|pHYs|tIME", kept)) == {
            b"IHDR",
            b"IDAT",
            b"IEND",
        }
        assert not Image.open(io.BytesIO(kept)).getexif()


@pytest.mark.parametrize("orientation", range(10))
def test_a_picture_stands_as_the_camera_was_held(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    held = file(photograph(), "PNG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(held)))
    assert decode("a.png", held, size=32) == decode("a.png", file(upright, "PNG"), size=32)


def test_transparent_parts_become_white() -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 255, 0))
    image.paste((255, 0, 0, 255), (0, 0, 40, 20))
    pixels = pixels_of(decode("a.png", file(image, "PNG"), size=40))
    assert (pixels[:18] == (255, 0, 0)).all()
    assert (pixels[22:] == (255, 255, 255)).all()


@pytest.mark.parametrize(
    ("mode", "kind", "ending"),
    [("L", "PNG", "png"), ("P", "PNG", "png"), ("1", "PNG", "png"), ("LA", "PNG", "png"), ("CMYK", "JPEG", "jpg")],
)
def test_every_color_mode_is_understood(mode: str, kind: str, ending: str) -> None:
    image = photograph(64, 64).convert("RGB").convert(mode)
    expected = np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.LANCZOS)).astype(int)
    found = pixels_of(decode(f"a.{ending}", file(image, kind), size=32))
    assert np.abs(found - expected).mean() < 4


def test_sixteen_bits_per_pixel_keep_their_brightness() -> None:
    deep = Image.fromarray(np.full((40, 40), 128 * 256, np.uint16))
    assert np.abs(pixels_of(decode("a.png", file(deep, "PNG"), size=32)) - 128).max() <= 1


def test_a_phone_photo_with_a_preview_behind_it_is_a_photo() -> None:
    content = file(photograph(), "MPO", save_all=True, append_images=[Image.new("RGB", (30, 20))])
    assert Image.open(io.BytesIO(content)).format == "MPO"
    plain = decode("a.jpg", file(photograph(), "JPEG"), size=32)
    assert np.abs(pixels_of(decode("a.jpg", content, size=32)) - pixels_of(plain)).max() <= 2


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("empty.png", lambda: b"", "empty"),
        ("text.png", lambda: b"not a picture at all", "not a PNG, JPEG or WebP"),
        ("drawing.png", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a PNG, JPEG or WebP"),
        ("gif.png", lambda: file(photograph(), "GIF"), "not a PNG, JPEG or WebP"),
        ("bmp.jpg", lambda: file(photograph(), "BMP"), "not a PNG, JPEG or WebP"),
        ("tiff.webp", lambda: file(photograph(), "TIFF"), "not a PNG, JPEG or WebP"),
        ("jpeg.png", lambda: file(photograph(), "JPEG"), "is a JPEG inside"),
        ("png.jpg", lambda: file(photograph(), "PNG"), "is a PNG inside"),
        ("png.exe", lambda: file(photograph(), "PNG"), "is a PNG inside"),
        ("png", lambda: file(photograph(), "PNG"), "is a PNG inside"),
        ("bomb.png", lambda: png_claiming(50_000, 50_000), "4 million pixels"),
        ("poster.png", lambda: png_claiming(10_000, 9_000), "4 million pixels"),
        ("line.png", lambda: png_claiming(4_000_001, 1), "4 million pixels"),
        ("large.webp", lambda: file(Image.new("RGB", (2500, 1601)), "WEBP"), "4 million pixels"),
        ("short.png", lambda: png_claiming(2000, 2000), "damaged or incomplete"),
        ("heavy.jpg", lambda: file(photograph(), "JPEG") + bytes(MOST_BYTES), "larger than 10 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_acceptable_picture_is_refused(name: str, content: Callable[[], bytes], complaint: str) -> None:
    sentence = refusal(name, content())
    assert complaint in sentence
    assert sentence.startswith(f'"{name.split(".")[0]}" ')


@pytest.mark.parametrize(("kind", "ending"), [("PNG", "png"), ("WEBP", "webp")])
def test_an_animation_is_refused(kind: str, ending: str) -> None:
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "green", "blue")]
    assert "animated" in refusal(f"a.{ending}", file(frames[0], kind, save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_breaks_off_is_refused(ending: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8))
    content = file(noise, FORMATS[ending])
    assert "damaged" in refusal(f"a{ending}", content[: int(share * len(content))])


@given(st.data())
def test_damage_anywhere_leads_to_a_picture_or_to_one_sentence(data: st.DataObject) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    ending = data.draw(st.sampled_from([".png", ".jpg", ".webp"]))
    content = bytearray(file(photograph(), FORMATS[ending], exif=exif))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert pixels_of(decode(f"a{ending}", bytes(content), size=32)).shape == (32, 32, 3)
    except ValueError as error:
        sentence = str(error)
        assert re.fullmatch(r"[^\n]+[.]", sentence)


@given(st.text(), st.sampled_from(list(FORMATS)))
def test_any_name_becomes_a_harmless_one(name: str, ending: str) -> None:
    picture = decode(name + ending, file(photograph(8, 8), FORMATS[ending]), size=32)
    assert re.fullmatch(r"\w[\w -]{0,39}", picture.name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("C:\\Users\\jane\\cat.png", "cat"),
        ("/home/jane/cat.png", "cat"),
        ("../../etc/passwd.png", "passwd"),
        ("<script>alert(1)</script>.png", "script"),
        ("Käse & Brot.png", "Käse Brot"),
        ("???.png", "picture"),
        ("x" * 300 + ".png", "x" * 40),
    ],
)
def test_a_name_keeps_what_a_person_reads(name: str, shown: str) -> None:
    assert decode(name, file(photograph(), "PNG"), size=32).name == shown


def test_many_files_become_many_pictures_with_different_names() -> None:
    files = [("cat.png", file(photograph(), "PNG")), ("cat.jpg", file(photograph(), "JPEG"))] * 16
    pictures = decode_all(files, size=32)
    assert len(pictures) == 32
    assert [picture.name for picture in pictures[:3]] == ["cat", "cat 2", "cat 3"]
    assert len({picture.name for picture in pictures}) == 32


def test_too_many_files_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"^50 pictures are too many; choose at most 32[.]$"):
        decode_all([("a.png", file(photograph(), "PNG"))] * 50, size=32)


def test_one_bad_file_refuses_all() -> None:
    with pytest.raises(ValueError, match=r'^"bad" is empty'):
        decode_all([("a.png", file(photograph(), "PNG")), ("bad.png", b"")], size=32)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "png",
    [
        "",
        "no base64!",
        encoded(b"not a picture"),
        encoded(file(photograph(32, 32), "JPEG")),
        encoded(file(photograph(32, 31), "PNG")),
        encoded(file(photograph(129, 129), "PNG")),
        encoded(png_claiming(50_000, 50_000)),
        encoded(file(photograph(32, 32), "PNG") + bytes(60_000)),
    ],
)
def test_a_spec_holds_only_small_square_png_pictures(png: str) -> None:
    with pytest.raises(ValidationError):
        Picture(name="a", png=png)


@pytest.mark.parametrize("name", ["", " a", "<b>", "a/b", "a\nb", "a\n", "x" * 41])
def test_a_spec_holds_only_harmless_names(name: str) -> None:
    with pytest.raises(ValidationError):
        Picture(name=name, png=encoded(file(photograph(32, 32), "PNG")))


def test_the_worst_picture_fits_into_a_spec() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8))
    assert pixels_of(decode("a.png", file(noise, "PNG"), size=128)).shape == (128, 128, 3)


def test_a_picture_is_never_enlarged() -> None:
    small = decode("cat.png", file(photograph(), "PNG"), size=32)
    with pytest.raises(ValidationError, match='"cat" is only 32 pixels wide'):
        Upload(pictures=(small,), size=64)
    large = decode("cat.png", file(photograph(), "PNG"), size=64)
    assert Upload(pictures=(large,), size=32).size == 32


def test_a_picture_whose_data_breaks_off_is_named_when_it_is_opened() -> None:
    content = file(Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)), "PNG")
    broken = Upload(pictures=(Picture(name="cat", png=encoded(content[:500])),))
    with pytest.raises(ValueError, match=r'^"cat" is damaged; add the picture again[.]$'):
        broken.open(None)
