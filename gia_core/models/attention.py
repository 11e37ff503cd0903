"""The vision transformer (Dosovitskiy et al., ICLR 2021). Imports torch: only for use inside ``build``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .choices import Activation
from .layers import ACTIVATIONS


class Attention(nn.Module):
    """Multi-head self-attention, (B, tokens, dim) to the same."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.projection = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        # Written out, because fused attention kernels have no second derivative.
        q, k, v = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1)
        result: Tensor = self.projection((weights @ v).transpose(1, 2).flatten(2))
        return result


class Block(nn.Module):
    """Attention and two linear layers, each with LayerNorm in front and the input carried around it.

    ``bare`` leaves both away from the attention.
    """

    def __init__(self, dim: int, heads: int, *, activation: Activation, bare: bool) -> None:
        super().__init__()
        self.bare = bare
        self.attention_norm = nn.Identity() if bare else nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), ACTIVATIONS[activation](), nn.Linear(4 * dim, dim)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        attended: Tensor = self.attention(self.attention_norm(tokens))
        tokens = attended if self.bare else tokens + attended
        result: Tensor = tokens + self.mlp(tokens)
        return result


class VisionTransformer(nn.Module):
    """(B, C, H, W) to (B, K) by way of a class token in front of one token for each patch.

    The positions are drawn from N(0, 1), for the caller to scale.
    """

    def __init__(self, channels: int, patches: int, blocks: list[Block], *, patch: int, dim: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(channels, dim, patch, stride=patch)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.positions = nn.Parameter(torch.randn(1, patches + 1, dim))
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.embedding(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(images), -1, -1), patches], dim=1)
        result: Tensor = self.head(self.norm(self.blocks(tokens + self.positions)[:, 0]))
        return result
