"""Metrics against reference implementations and against cases that can be solved by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr
from victims import generator

from gia_core.metrics import PSNR_CEILING, label_accuracy, lpips, mse, pairing, psnr, score, ssim
from gia_core.types import UNKNOWN


def photographs(count: int = 4, size: int = 48) -> torch.Tensor:
    picture = torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255
    return torch.stack([picture[:, 60 * i : 60 * i + size, 180 : 180 + size] for i in range(count)])


def noisy(images: torch.Tensor, std: float = 0.1) -> torch.Tensor:
    return (images + std * torch.randn(images.shape, generator=generator())).clamp(0, 1)


def test_a_constant_offset_of_a_tenth_is_twenty_decibels():
    truth = torch.full((2, 3, 8, 8), 0.25, dtype=torch.float64)
    assert psnr(truth + 0.1, truth).tolist() == pytest.approx([20.0, 20.0], abs=1e-9)


def test_psnr_agrees_with_scikit_image_and_torchmetrics():
    truth = photographs()
    images = noisy(truth)
    ours = psnr(images, truth)
    theirs = [peak_signal_noise_ratio(t.numpy(), i.numpy(), data_range=1.0) for t, i in zip(truth, images, strict=True)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    torch.testing.assert_close(ours, torchmetrics_psnr(images, truth, 1.0, reduction="none", dim=(1, 2, 3)))


def test_ssim_agrees_with_scikit_image():
    truth = photographs()
    images = noisy(truth)
    theirs = [
        structural_similarity(
            t.permute(1, 2, 0).numpy(),
            i.permute(1, 2, 0).numpy(),
            channel_axis=2,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for t, i in zip(truth, images, strict=True)
    ]
    np.testing.assert_allclose(ssim(images, truth), theirs, atol=1e-4)


@pytest.mark.parametrize("size", [8, 10, 11, 32])
def test_an_exact_copy_has_the_best_score_at_every_size(size: int):
    truth = torch.rand(2, 1, size, size, generator=generator())
    assert psnr(truth, truth).tolist() == [PSNR_CEILING] * 2
    torch.testing.assert_close(ssim(truth, truth), torch.ones(2))
    assert mse(truth, truth).tolist() == [0, 0]


@given(st.permutations(range(6)))
def test_pairing_finds_any_permutation(order: list[int]):
    truth = torch.rand(6, 3, 4, 4, generator=generator())
    shuffled = truth[order]
    assert torch.equal(shuffled[pairing(shuffled, truth)], truth)


def test_pairing_survives_pixels_that_are_not_numbers():
    truth = torch.rand(3, 1, 4, 4, generator=generator())
    images = truth.clone()
    images[1] = math.nan
    assert pairing(images, truth) == [0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "truth", "share"),
    [
        ([1, 2, 3], [3, 1, 2], 1.0),
        ([0, 0, 0, 1], [0, 0, 1, 1], 0.75),
        ([5, 5], [0, 1], 0.0),
        ([1, UNKNOWN], [0, 1], 0.5),
        ([UNKNOWN, UNKNOWN], [0, 1], 0.0),
    ],
)
def test_label_accuracy_compares_counts(labels, truth, share):
    assert label_accuracy(torch.tensor(labels), torch.tensor(truth)) == share


def test_lpips_without_its_trunk_is_unknown_and_not_zero(tmp_path: Path):
    truth = photographs(2)
    assert lpips(truth, truth, tmp_path) is None
    assert score(truth, truth, weights=tmp_path)["lpips"] is None


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 32])
def test_lpips_with_a_trunk_on_disk_rates_a_copy_zero_and_noise_higher(tmp_path: Path, channels: int, size: int):
    """The trunk is drawn at random here, in the file layout of the real one, whose weights are a download."""
    from safetensors.torch import save_file
    from torchvision.models import alexnet

    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = alexnet(weights=None).features
    save_file({f"features.{name}": w for name, w in trunk.state_dict().items()}, tmp_path / "lpips-alexnet.safetensors")
    truth = torch.rand(2, channels, size, size, generator=generator())
    copy, worse = lpips(truth, truth, tmp_path), lpips(noisy(truth, 0.5), truth, tmp_path)
    assert copy is not None
    assert worse is not None
    assert copy.tolist() == [0, 0]
    assert (worse > 0).all()


def test_a_recovered_image_keeps_its_own_when_everything_else_is_gray():
    truth = torch.stack([torch.full((1, 4, 4), 0.9), torch.full((1, 4, 4), 0.7)])
    images = torch.stack([torch.full((1, 4, 4), 0.7), torch.full((1, 4, 4), 0.52)])
    # In squared errors 0.18² + 0.2² is less than 0 + 0.38², but an exact copy is no compromise.
    assert pairing(images, truth) == [1, 0]
