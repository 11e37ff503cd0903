"""The catalog of data sets. To add one: write its file, add its name to the union."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .celeba import CelebA
from .cifar import CIFAR10, CIFAR100
from .digits import Digits
from .faces import Faces
from .image_folder import ImageFolder
from .imagenet import ImageNet
from .mnist import MNIST, FashionMNIST
from .photos import Photos
from .upload import Upload

Dataset = Annotated[
    Photos | Faces | Digits | CIFAR10 | CIFAR100 | MNIST | FashionMNIST | CelebA | ImageNet | ImageFolder | Upload,
    Field(discriminator="name"),
]
