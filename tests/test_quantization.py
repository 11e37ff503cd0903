"""Fewer bits per number: what arrives, how far it is off, and what an attacker makes of it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from victims import generator, observation, private_batch, small_network

from gia_core.attacks import InvertingGradients
from gia_core.clients import FedSGD
from gia_core.defenses.quantization import Quantization, smooth_sign

FINITE = st.floats(-1e4, 1e4, width=32)


def sent(values, seed: int = 0, **fields) -> torch.Tensor:
    tensor = values if isinstance(values, torch.Tensor) else torch.tensor(values)
    return Quantization(**fields).rounded(tensor, generator(seed))


def normal(count: int = 1000, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, generator=generator(seed))


def test_int8_by_hand():
    assert sent([127.0, -63.6, 0.4, 0.0], scheme="int8").tolist() == [127.0, -64.0, 0.0, 0.0]


def test_qsgd_with_one_level_by_hand():
    """A tensor with one entry has it as its norm, so nothing is left to chance."""
    assert sent([-3.0], scheme="qsgd", levels=1).tolist() == [-3.0]
    assert set(sent([3.0, 4.0], scheme="qsgd", levels=1).tolist()) <= {0.0, 5.0}


def test_sign_by_hand():
    assert sent([1.0, -2.0, 0.0, 6.0], scheme="sign").tolist() == [3.0, -3.0, 0.0, 3.0]


def test_fp16_is_what_torch_makes_of_it_and_never_infinite():
    assert torch.equal(sent(normal(), scheme="fp16"), normal().half().float())
    assert sent([1e6, -1e6], scheme="fp16").tolist() == [65504.0, -65504.0]


@settings(deadline=None)  # torch's first calls take long
@given(values=st.lists(FINITE, min_size=1, max_size=30))
def test_int8_is_off_by_half_a_step_at_most_and_takes_255_values(values):
    tensor = torch.tensor(values)
    arrived, step = sent(tensor, scheme="int8"), tensor.abs().max().item() / 127
    assert (arrived - tensor).abs().max().item() <= step * (0.5 + 1e-4) + 1e-37
    if step > 1e-30:
        steps = arrived / step
        assert steps.abs().max().item() <= 127.001
        assert (steps - steps.round()).abs().max().item() < 1e-3


@pytest.mark.parametrize("scheme", ["fp16", "int8", "sign"])
@settings(deadline=None)  # torch's first calls take long
@given(values=st.lists(FINITE, min_size=1, max_size=30))
def test_rounding_twice_is_rounding_once(scheme, values):
    once = sent(values, scheme=scheme)
    torch.testing.assert_close(sent(once, scheme=scheme), once, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("fields", [{"scheme": "qsgd"}, {"scheme": "int8", "rounding": "stochastic"}], ids=str)
def test_what_is_rounded_by_chance_is_right_on_average(fields):
    tensor, draws = normal(), 4000
    quantization, rng = Quantization(**fields), generator()
    mean = sum(quantization.rounded(tensor, rng) for _ in range(draws)) / draws
    step = tensor.norm() / 15 if fields["scheme"] == "qsgd" else tensor.abs().max() / 127
    # One draw is off by half a step at most in standard deviation; of a thousand means none is off by 5 of theirs.
    assert (mean - tensor).abs().max() < 5 * 0.5 * step / math.sqrt(draws)


@pytest.mark.parametrize("levels", [1, 3, 15, 255])
def test_qsgd_varies_no_more_than_its_authors_prove(levels):
    tensor = normal()
    quantization, rng = Quantization(scheme="qsgd", levels=levels), generator()
    squares = [(quantization.rounded(tensor, rng) - tensor).square().sum().item() for _ in range(200)]
    size = tensor.numel()
    bound = min(size / levels**2, math.sqrt(size) / levels) * tensor.square().sum().item()
    assert sum(squares) / len(squares) <= bound


@pytest.mark.parametrize("scheme", ["fp16", "int8", "qsgd", "sign"])
def test_zeros_stay_zeros(scheme):
    assert sent(torch.zeros(5), scheme=scheme).tolist() == [0.0] * 5


@pytest.mark.parametrize("scheme", ["fp16", "int8"])
def test_who_knows_the_rounding_expects_what_arrived(scheme):
    true = normal(50)
    defense = Quantization(scheme=scheme)
    observed = defense.rounded(true, generator())
    trial = true.clone().requires_grad_()
    (expected,) = defense.expect((observed,))((trial,))
    torch.testing.assert_close(expected.detach(), observed, rtol=1e-6, atol=1e-6)
    assert torch.autograd.grad(expected.sum(), trial)[0].tolist() == [1.0] * 50


def test_what_chance_rounded_is_compared_as_it_is():
    true = (normal(20),)
    for fields in ({"scheme": "qsgd"}, {"scheme": "int8", "rounding": "stochastic"}):
        defense = Quantization(**fields)
        assert defense.expect((defense.rounded(true[0], generator()),))(true)[0] is true[0]


def test_the_smooth_sign_is_nearly_the_sign_at_any_scale():
    tensor = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
    for scale in (1e-6, 1.0, 1e6):
        torch.testing.assert_close(smooth_sign(scale * tensor), tensor.sign(), rtol=0.01, atol=0.01)


def test_who_knows_that_signs_were_sent_finds_more():
    """A published attack on one image and a small network, with the same start, told and not told of the defense."""
    defense, closer = Quantization(scheme="sign"), []
    for seed in (0, 2):
        model, batch = small_network(seed=seed), private_batch(seed=seed)
        update = defense.wrap(FedSGD(), generator())(model, batch)
        naive = observation(model, batch, update=update, labels=True)
        off = []
        adaptive = replace(naive, rounds=(replace(naive.rounds[0], expect=defense.expect(update)),))
        for seen in (naive, adaptive):
            *_, last = InvertingGradients(iterations=150, tv_weight=1e-3).run(seen, generator(seed))
            off.append((last.images - batch.images).square().mean().item())
        closer.append(off[1] < 0.6 * off[0])
    assert closer == [True, True]


def test_a_derivative_passes_through_the_rounding():
    tensor = normal(10).requires_grad_()
    rule = Quantization(scheme="int8").wrap(lambda *_, differentiable=False: (tensor,), generator())
    (slope,) = torch.autograd.grad(rule(None, None, differentiable=True)[0].sum(), tensor)
    assert slope.tolist() == [1.0] * 10
