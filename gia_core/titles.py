"""What a person reads for what the code calls it: made from names and docstrings, so a new method needs no entry."""

from __future__ import annotations

from .component import Component

WORDS = {"lr": "learning rate", "tv": "total variation", "std": "standard deviation", "dp": "DP"}
"""Abbreviations that fields use and forms spell out."""

UNITS = {"psnr": "dB"}

METRICS = {"psnr": "PSNR", "ssim": "SSIM", "mse": "MSE", "lpips": "LPIPS"}

EXPLAINED = {
    "psnr": "Peak signal-to-noise ratio, in dB: how small the pixel errors are. Higher is closer; from about 19 dB on "
    "the literature calls an image recovered.",
    "ssim": "Structural similarity, at most 1: whether edges and textures agree. Higher is closer.",
    "mse": "Mean squared error of the pixels, which lie between 0 and 1. Lower is closer.",
    "lpips": "Learned perceptual distance: how different the images look to a neural network. Lower is closer. "
    "Where it is not available, run `python -m gia_core fetch lpips` once.",
    "labels": "Share of the private labels that the attack found; a dash where the attacker was granted "
    "them, or does not tell.",
}

HIGHER_IS_CLOSER = {"psnr": True, "ssim": True, "mse": False, "lpips": False}


def title(kind: type[Component]) -> str:
    """From a docstring that begins "DLG: image and label…" the word "DLG"; else the name, made readable."""
    head, colon, _ = first_paragraph(kind).partition(": ")
    name = kind.model_fields["name"].default
    return head if colon and len(head) <= 40 else str(name).replace("-", " ").capitalize()


def summary(kind: type[Component]) -> str:
    """The docstring's first paragraph without its title, begun with a capital."""
    head, colon, rest = first_paragraph(kind).partition(": ")
    text = rest if colon and len(head) <= 40 else first_paragraph(kind)
    return text[:1].upper() + text[1:]


def first_paragraph(kind: type[Component]) -> str:
    return " ".join((kind.__doc__ or "").strip().partition("\n\n")[0].split())


def label(field: str) -> str:
    """A field's name as a form shows it: "tv_weight" becomes "Total variation weight"."""
    words = " ".join(WORDS.get(word, word) for word in field.split("_"))
    return words[:1].upper() + words[1:]


def option(value: str) -> str:
    """One of a field's fixed choices as a form shows it: "strong-wolfe" becomes "strong wolfe"."""
    return value.replace("-", " ").replace("_", " ")


def duration(seconds: float) -> str:
    """At most two units: "8 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def number(value: float | None, metric: str) -> str:
    """A score with its unit; an em dash for what is not known."""
    if value is None:
        return "—"
    if metric == "mse":
        return f"{value:.2g}" if value < 1e-3 else f"{value:.4f}"
    return f"{value:.1f} dB" if UNITS.get(metric) else f"{value:.3f}"


def short(value: float | None) -> str:
    """Four digits; an em dash for what is not a number."""
    return "—" if value is None else f"{value:.4g}"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
