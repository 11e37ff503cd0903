"""Minimizing without slopes: draw candidates, rank them, and move the distribution they are drawn from."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class CMAES:
    """CMA-ES, the (μ/μ_w, λ) evolution strategy with covariance matrix adaptation (Hansen, "The CMA Evolution Strategy:
    A Tutorial", arXiv:1604.00772, 2016; without negative weights).

    Candidates are drawn from a normal distribution. Its mean moves to the better half of them, its step size follows
    the length of the way that the mean has lately taken, and its covariance takes the shape of the steps that paid.
    Only the order of the losses matters. Names are the tutorial's.
    """

    def __init__(self, mean: Tensor, sigma: float, *, population: int, rng: torch.Generator) -> None:
        """``mean`` (n,) and ``sigma``, the first step size; ``population``: λ, candidates of one generation."""
        n, self.size, self.rng = mean.numel(), population, rng
        self.mean, self.sigma, self.generation = mean.detach().double().cpu(), sigma, 0
        parents = population // 2
        weights = math.log((population + 1) / 2) - torch.arange(1, parents + 1, dtype=torch.float64).log()
        self.weights = weights / weights.sum()
        effective = self.mu_eff = 1 / float(self.weights.square().sum())
        self.c_sigma = (effective + 2) / (n + effective + 5)
        self.d_sigma = 1 + 2 * max(0.0, math.sqrt((effective - 1) / (n + 1)) - 1) + self.c_sigma
        self.c_c = (4 + effective / n) / (n + 4 + 2 * effective / n)
        self.c_1 = 2 / ((n + 1.3) ** 2 + effective)
        self.c_mu = min(1 - self.c_1, 2 * (effective - 2 + 1 / effective) / ((n + 2) ** 2 + effective))
        self.expected_length = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))
        self.path_sigma, self.path_c = torch.zeros_like(self.mean), torch.zeros_like(self.mean)
        self.covariance = torch.eye(n, dtype=torch.float64)
        self.axes, self.lengths = torch.eye(n, dtype=torch.float64), torch.ones(n, dtype=torch.float64)
        self.refreshed_every = max(1, int(1 / (10 * n * (self.c_1 + self.c_mu))))

    def ask(self) -> Tensor:
        """(λ, n) float64: the candidates of the next generation."""
        drawn = torch.randn(self.size, self.mean.numel(), generator=self.rng, dtype=torch.float64)
        return self.mean + self.sigma * (drawn * self.lengths) @ self.axes.T

    def tell(self, candidates: Tensor, losses: Tensor) -> None:
        """Learn from the losses (λ,) of what ``ask`` gave; one that is not finite counts as the worst."""
        order = losses.detach().double().cpu().nan_to_num(math.inf, math.inf, math.inf).argsort()
        steps = (candidates[order[: len(self.weights)]] - self.mean) / self.sigma
        step = self.weights @ steps
        self.mean = self.mean + self.sigma * step
        self.generation += 1
        lengthened = self.follow(step)
        # Where the mean moves faster than the steps can grow, its path says nothing about the shape.
        lost = (1 - lengthened) * self.c_c * (2 - self.c_c)
        self.covariance = (
            (1 - self.c_1 - self.c_mu + self.c_1 * lost) * self.covariance
            + self.c_1 * self.path_c.outer(self.path_c)
            + self.c_mu * (steps.T * self.weights) @ steps
        )
        if self.generation % self.refreshed_every == 0:
            squares, self.axes = torch.linalg.eigh((self.covariance + self.covariance.T) / 2)
            self.lengths = squares.clamp_min(1e-20).sqrt()

    def follow(self, step: Tensor) -> bool:
        """Lengthen both paths by ``step`` and adapt the step size; returns whether the path of the shape took it."""
        round_step = self.axes @ ((self.axes.T @ step) / self.lengths)  # as if the distribution were a sphere
        kept, added = 1 - self.c_sigma, math.sqrt(self.c_sigma * (2 - self.c_sigma) * self.mu_eff)
        self.path_sigma = kept * self.path_sigma + added * round_step
        length = float(self.path_sigma.norm()) / self.expected_length
        self.sigma *= math.exp(self.c_sigma / self.d_sigma * (length - 1))
        n = self.mean.numel()
        settled = math.sqrt(1 - kept ** (2 * self.generation))
        lengthened = length / settled < 1.4 + 2 / (n + 1)
        added = math.sqrt(self.c_c * (2 - self.c_c) * self.mu_eff) if lengthened else 0.0
        self.path_c = (1 - self.c_c) * self.path_c + added * step
        return lengthened
