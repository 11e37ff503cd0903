"""How a prior is learned. All methods teach the same network to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..component import Component

if TYPE_CHECKING:
    from .generator import Generator
    from .lessons import Lesson


class Network(Component):
    """What the methods have in common."""

    latent: int = Field(64, ge=2, le=512)
    """Numbers in the code of an image: more can express more, fewer keep closer to what was learned."""
    width: int = Field(32, ge=4, le=64)
    """Channels of the layer at full size; coarser ones have up to eight times as many."""

    def generator(self, image_shape: tuple[int, int, int], num_classes: int) -> Generator:
        """With random weights, drawn from torch's current state; ``num_classes`` 0 for an unconditional one."""
        from .networks import Decoder

        return Decoder(image_shape, latent=self.latent, width=self.width, num_classes=num_classes)

    def lesson(self, generator: Generator, image_shape: tuple[int, int, int]) -> Lesson:
        """What teaches ``generator`` to draw such images."""
        raise NotImplementedError


class DCGAN(Network):
    """DCGAN: a generator that learns to deceive a critic (Radford et al., ICLR 2016). Sharp images, fewer kinds."""

    name: Literal["dcgan"] = "dcgan"
    lr: float = Field(4e-4, gt=0, le=1)
    """Adam's learning rate."""

    def lesson(self, generator: Generator, image_shape: tuple[int, int, int]) -> Lesson:
        from .lessons import Adversarial

        return Adversarial(generator, image_shape, width=self.width, lr=self.lr)


class VAE(Network):
    """VAE: the decoder of a variational autoencoder (Kingma and Welling, ICLR 2014). Softer images, of every kind."""

    name: Literal["vae"] = "vae"
    lr: float = Field(1e-3, gt=0, le=1)
    """Adam's learning rate."""
    noise: float = Field(0.1, gt=0, le=1)
    """How far a pixel may be off, as a standard deviation: less keeps more detail, more makes better samples."""

    def lesson(self, generator: Generator, image_shape: tuple[int, int, int]) -> Lesson:
        from .lessons import Autoencoding

        return Autoencoding(generator, image_shape, width=self.width, lr=self.lr, noise=self.noise)


class FromGradients(Network):
    """GIML: learned from the gradients of images that nobody showed it (Jeon et al., NeurIPS 2021)."""

    name: Literal["giml"] = "giml"


Method = Annotated[VAE | DCGAN, Field(discriminator="name")]
"""Those by which a prior is trained on images; an attack learns one without."""
