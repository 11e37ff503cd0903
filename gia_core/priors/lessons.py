"""How a generator is taught: one batch at a time, as an autoencoder's decoder or against a critic.

A lesson's networks and optimizers are all that training has to remember.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .generator import Generator
from .networks import Critic, Encoder


class Lesson(Protocol):
    """The networks that learn, by name, the generator's among them, and what moves them."""

    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def learn(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, float]:
        """One step on images (B, C, H, W) in [0, 1] with labels (B,); the losses by name, not finite if it diverges."""
        ...


class Autoencoding:
    """A variational autoencoder (Kingma and Welling, ICLR 2014, equation 10), its pixels Gaussian around the image."""

    def __init__(
        self, generator: Generator, image_shape: tuple[int, int, int], *, width: int, lr: float, noise: float
    ) -> None:
        """``noise``: standard deviation of a pixel, which balances the error against the divergence."""
        self.generator, self.noise, latent = generator, noise, generator.latent_shape[0]
        self.encoder = Encoder(image_shape, latent=latent, width=width, num_classes=generator.num_classes)
        self.networks: dict[str, nn.Module] = {"generator": generator, "encoder": self.encoder}
        unknowns = [*generator.parameters(), *self.encoder.parameters()]
        self.optimizers: dict[str, torch.optim.Optimizer] = {"both": torch.optim.Adam(unknowns, lr=lr)}

    def learn(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, float]:
        mean, log_variance = self.encoder(images, labels)
        noise = torch.randn(mean.shape, generator=rng).to(mean)
        drawn = self.generator(mean + noise * (log_variance / 2).exp(), labels)
        error = (drawn - images).square().mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
        loss = error / (2 * self.noise**2) + divergence / images[0].numel()
        (optimizer,) = self.optimizers.values()
        advance(optimizer, loss)
        return {"total": loss.item(), "error": error.item(), "divergence": divergence.item()}


class Adversarial:
    """A generator against a critic that tells its images from real ones (Goodfellow et al., NeurIPS 2014).

    DCGAN's game with a spectrally normalized critic (Miyato et al., ICLR 2018) that sees all images, real and drawn,
    moved by a few pixels: a few thousand images would be learned by heart otherwise (Zhao et al., NeurIPS 2020).
    """

    def __init__(self, generator: Generator, image_shape: tuple[int, int, int], *, width: int, lr: float) -> None:
        self.generator = generator
        self.critic = Critic(image_shape, width=width, num_classes=generator.num_classes)
        self.networks: dict[str, nn.Module] = {"generator": generator, "critic": self.critic}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(network.parameters(), lr=lr, betas=(0.5, 0.99))
            for name, network in self.networks.items()
        }

    def learn(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, float]:
        codes = torch.randn(len(images), *self.generator.latent_shape, generator=rng).to(images)
        drawn = self.generator(codes, labels)
        real = self.critic(moved(images, rng), labels)
        fake = self.critic(moved(drawn.detach(), rng), labels)
        of_critic = F.softplus(-real).mean() + F.softplus(fake).mean()
        advance(self.optimizers["critic"], of_critic)
        of_generator = F.softplus(-self.critic(moved(drawn, rng), labels)).mean()
        advance(self.optimizers["generator"], of_generator)
        losses = {"generator": of_generator.item(), "critic": of_critic.item()}
        return {"total": sum(losses.values()), **losses}


def advance(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down, unless there is no way down: the caller sees the loss and ends the training."""
    if loss.isfinite():
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


def moved(images: Tensor, rng: torch.Generator) -> Tensor:
    """Each image shifted by up to an eighth of its size, its border repeated, and made brighter or darker a little."""
    height, width = images.shape[2:]
    reach = max(1, min(height, width) // 8)
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    corners = torch.randint(2 * reach + 1, (len(images), 2), generator=rng).tolist()
    shifted = [image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, corners, strict=True)]
    brightness = 0.2 * (torch.rand(len(images), 1, 1, 1, generator=rng) - 0.5)
    return torch.stack(shifted) + brightness.to(images)
