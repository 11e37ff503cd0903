"""V13: whether the own update gives away an own image. Imports torch. K rows, n = C·H·W pixels, B images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..clients import logits
from .findings import Finding, Verdict, unknown, worst
from .received import Received, heard

DECIBELS = 25.0
"""PSNR from which on an image counts as given away (ours)."""
NUDGE = 1 / 256
"""How far pixels are moved to learn how large they are inside the network."""


def canary(received: Received) -> Finding:
    """The highest PSNR of an own image that the closed form dW / db finds in the update, row by row.

    Also of differences of rows, in the order of their thresholds, which undoes bins that sit on top of each other. It
    looks at layers that receive as many numbers as an image has pixels, whatever the server did to them. An honest
    network whose first layer is fully connected gives images away as well, and then this says so.
    """
    if received.update is None:
        return unknown("Nothing has been computed yet.")
    pixels = math.prod(received.batch.images.shape[1:])
    layers = [
        (name, layer)
        for name, layer in received.linear.items()
        if layer.in_features == pixels and layer.bias is not None
    ]
    return worst([canary_of(received, name, layer) for name, layer in layers], "No linear layer sees a whole image.")


def canary_of(received: Received, name: str, layer: nn.Linear) -> Finding:
    images = received.batch.images
    inside = inputs(received, layer, images)
    if inside is None:
        return unknown(f"Layer {name} does not see one whole image at a time.")
    rng = torch.Generator().manual_seed(0)
    nudge = NUDGE * torch.randn(images.shape[1:], generator=rng).to(images)
    moved = inputs(received, layer, images + nudge)
    assert moved is not None
    scale = float((moved - inside).square().mean().sqrt() / nudge.double().square().mean().sqrt())
    found = extracted(received, layer)
    if not len(found) or not scale > 0:
        return Finding(None, DECIBELS, "ok", f"The update says nothing of what layer {name} received.")
    psnr = 20 * math.log10(scale) - 10 * float(nearest(found, inside).clamp_min(1e-12).log10())
    verdict: Verdict = "fail" if psnr >= DECIBELS else "ok"
    shown = "gives" if verdict == "fail" else "does not give"
    return Finding(psnr, DECIBELS, verdict, f"The update of layer {name} {shown} an own image away: {psnr:.1f} dB.")


def inputs(received: Received, layer: nn.Linear, images: Tensor) -> Tensor | None:
    """(B, n) what the layer receives of ``images``; None where it receives something else than one row per image."""
    rows: list[Tensor] = []
    with torch.no_grad(), heard(layer, lambda given, _: rows.append(given.double())):
        logits(received.model, images)
    return rows[0] if len(rows) == 1 and rows[0].shape == (len(images), layer.in_features) else None


def extracted(received: Received, layer: nn.Linear) -> Tensor:
    """(M, n): rows of the layer's update, and differences of rows, each divided by that of the bias."""
    assert received.update is not None
    sent = {id(parameter): u for parameter, u in zip(received.model.parameters(), received.update, strict=True)}
    weight, bias = sent[id(layer.weight)].double(), sent[id(layer.bias)].double()
    order = (layer.bias / layer.weight.norm(dim=1).clamp_min(1e-12)).argsort()
    weight = torch.cat([weight, weight[order].diff(dim=0)])
    bias = torch.cat([bias, bias[order].diff(dim=0)])
    signal = bias.abs() > torch.finfo(torch.float32).tiny
    return weight[signal] / bias[signal, None]


def nearest(found: Tensor, inside: Tensor) -> Tensor:
    """The smallest mean squared difference between a row of (M, n) and one of (B, n), a scalar."""
    return torch.stack([(found - one).square().mean(dim=1).min() for one in inside]).min()
