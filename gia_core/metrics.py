"""How close reconstructions come to the truth, one value per image; None where a metric cannot be had.

Images are (B, C, H, W) in [0, 1]. Averaging is left to whoever shows the numbers; privacy is about the worst case.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from .types import UNKNOWN

if TYPE_CHECKING:
    from torch import nn

Scores: TypeAlias = "dict[str, list[float] | None]"
"""Per-image lists under ``psnr``, ``ssim``, ``mse`` and ``lpips``, in the order of the private batch."""

PSNR_CEILING = 100.0
"""dB that stand for an exact copy, whose PSNR is infinite."""


def mse(images: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error per image, (B,)."""
    return (images - truth).square().mean(dim=(1, 2, 3))


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio per image in dB, (B,): −10 log10 MSE, at most ``PSNR_CEILING``."""
    return (-10 * torch.log10(mse(images, truth))).clamp_max(PSNR_CEILING)


def ssim(images: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity per image, (B,) (Wang et al., IEEE TIP 2004; Gaussian window of 11 pixels, sigma 1.5).

    Averaged where the window lies inside the image, as scikit-image does; over the whole image where none does.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    _, similarity = structural_similarity_index_measure(
        images, truth, data_range=1.0, reduction="none", return_full_image=True
    )
    inside = similarity[..., 5:-5, 5:-5] if min(images.shape[2:]) > 10 else similarity
    return inside.mean(dim=(1, 2, 3))


def lpips(images: Tensor, truth: Tensor, weights: Path) -> Tensor | None:
    """Perceptual distance per image, (B,), lower is closer (Zhang et al., CVPR 2018; AlexNet, version 0.1).

    None where its trunk is not in the folder ``weights``. Images smaller than 64 pixels are enlarged to 64 first, since
    the last layers of the trunk would see a single pixel.
    """
    file = weights / "lpips-alexnet.safetensors"
    if not file.exists():
        return None
    size = max(64, *images.shape[2:])
    enlarged = [
        F.interpolate(x.expand(-1, 3, -1, -1), size=size, mode="bilinear", align_corners=False).cpu()
        for x in (images, truth)
    ]
    with torch.no_grad():
        distance: Tensor = lpips_network(file)(*enlarged, normalize=True)
    return distance.flatten()


@cache
def lpips_network(file: Path) -> nn.Module:
    """LPIPS with the heads of its package and the trunk in ``file``, whose keys are those of torchvision's AlexNet."""
    import lpips as package
    from safetensors.torch import load_file

    network: nn.Module = package.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    trunk, net = load_file(file), network.get_submodule("net")
    # Its own names are those of the trunk behind the name of a slice: slice2.3.weight is features.3.weight.
    net.load_state_dict({name: trunk[f"features.{name.split('.', 1)[1]}"] for name in net.state_dict()})
    return network


def pairing(images: Tensor, truth: Tensor) -> list[int]:
    """For each true image the index of the reconstruction that is taken for it, by highest total PSNR.

    A gradient does not know the order of its batch, so reconstructions come in any order (Hungarian method, Kuhn 1955).
    By least total squared error a recovered image would be given away to bring two bad ones a little closer. Pixels
    that are not numbers count as far away.
    """
    from scipy.optimize import linear_sum_assignment

    flat, target = images.flatten(1), truth.flatten(1)
    errors = (target[:, None] - flat[None]).square().mean(dim=2).nan_to_num(nan=1e6, posinf=1e6)
    rows, columns = linear_sum_assignment(errors.clamp_min(10 ** (-PSNR_CEILING / 10)).log().cpu().numpy())
    return [int(column) for _, column in sorted(zip(rows, columns, strict=True))]


def score(images: Tensor, truth: Tensor, *, weights: Path) -> Scores:
    """Every metric of paired images. ``weights`` is where LPIPS' trunk may lie."""
    perceptual = lpips(images, truth, weights)
    return {
        "psnr": psnr(images, truth).tolist(),
        "ssim": ssim(images, truth).tolist(),
        "mse": mse(images, truth).tolist(),
        "lpips": None if perceptual is None else perceptual.tolist(),
    }


def unscored() -> Scores:
    """Of an attack that looks for no images."""
    return {"psnr": None, "ssim": None, "mse": None, "lpips": None}


def label_accuracy(labels: Tensor, truth: Tensor) -> float:
    """Share of the labels that were found, whatever their order: Σ min(count found, true count) / B over the classes.

    Both are (B,) class indices; what is UNKNOWN was not found.
    """
    told = labels[labels != UNKNOWN]
    classes = int(torch.cat([told, truth]).max()) + 1
    found = torch.minimum(torch.bincount(told, minlength=classes), torch.bincount(truth, minlength=classes))
    return int(found.sum()) / len(truth)
