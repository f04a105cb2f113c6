"""The losses of guided adaptation, on embeddings and pictures that the caller has made.

E(.) are unit image embeddings (N, D) of one text-image model, A the source domain, B the adapted one. Descriptions
t are embeddings (D,), or (N, D) where every picture has its own. A description in several templates is the mean of
their embeddings, not normalised again: the differences below are linear in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

FLAT = 0.1  # differences of unit embeddings shorter than this count less: their direction is noise, its gradient huge


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    return F.cosine_similarity(a.float(), b.float(), dim=-1, eps=FLAT)


def _pairs(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    i, j = torch.tril_indices(n, n, offset=-1, device=device)
    return i, j


def directional_loss(moved: Tensor, source: Tensor, direction: Tensor) -> Tensor:
    """mean(1 - cos(E(B) - E(A), t_B - t_A)); moved, source (N, D), direction (D,) or (N, D).

    Directional CLIP loss of StyleGAN-NADA (Gal et al. 2021). Blind to the size of the step.
    """
    return (1 - _cosine(moved - source, direction.expand_as(moved))).mean()


def global_loss(moved: Tensor, target: Tensor) -> Tensor:
    """mean(1 - cos(E(B), t_B)): global CLIP loss (Patashnik et al. 2021, StyleCLIP). With the embedding of a reference
    picture as t_B it is ``clip_ref``, a part of one-shot reconstruction (Zhu et al. 2021)."""
    return (1 - _cosine(moved, target.expand_as(moved))).mean()


def indomain_loss(moved: Tensor, source: Tensor) -> Tensor:
    """Mean over pairs i > j of (cos(E(A_i), E(A_j)) - cos(E(B_i), E(B_j)))^2: faces that differ stay as different.

    In-domain angle consistency of HyperDomainNet (Alanov et al. 2022). Zero for a single picture.
    """
    i, j = _pairs(len(moved), moved.device)
    if len(i) == 0:
        return moved.new_zeros(())
    return (_cosine(source[i], source[j]) - _cosine(moved[i], moved[j])).square().mean()


def tt_direction_loss(moved: Tensor, targets: Tensor) -> Tensor:
    """Mean over pairs i > j of 1 - cos(E(B_i) - E(B_j), t_i - t_j); moved, targets (N, D), a domain for each picture.

    TT-direction of HyperDomainNet (Alanov et al. 2022). A pair of equal domains counts a constant 1; zero for a single
    picture.
    """
    i, j = _pairs(len(moved), moved.device)
    if len(i) == 0:
        return moved.new_zeros(())
    return (1 - _cosine(moved[i] - moved[j], targets[i] - targets[j])).mean()


def clip_within_loss(moved: Tensor, source: Tensor, style: Tensor, style_source: Tensor) -> Tensor:
    """mean(1 - cos(E(B) - E(style_B), E(A) - E(style_A))); style and style_source (D,) or (1, D).

    Mind the Gap (Zhu et al. 2021): faces lie about the reference as their sources lie about its source-domain
    counterpart.
    """
    return (1 - _cosine(moved - style, source - style_source)).mean()


def domain_norm(vector: Tensor, sizes: Sequence[int], power: int = 2) -> Tensor:
    """Sum over layers of mean(|d_l|^power), averaged over a batch; vector (..., sum(sizes)); power 2 is L2, 1 is L1.

    Regularisation of the offsets in the official code of HyperDomainNet.
    """
    layers = vector.abs().pow(power).split(list(sizes), dim=-1)
    return torch.stack([layer.mean() for layer in layers]).sum()


def dirichlet(n: int, rows: int, rng: torch.Generator) -> Tensor:
    """Weights (rows, n), each row from Dirichlet(2/n, ..., 2/n)."""
    draws = torch._standard_gamma(torch.full((rows, n), 2 / n), generator=rng)
    return draws / draws.sum(1, keepdim=True)


def convex_hull(embeddings: Tensor, weights: Tensor) -> Tensor:
    """Mixes a batch's domains: embeddings (N, ..., D), weights (M, N) -> unit (M, ..., D).

    Domain mixing for the hypernetwork (Alanov et al. 2022); the weights come from ``dirichlet``.
    """
    return F.normalize(torch.einsum("mn,n...d->m...d", weights, embeddings), dim=-1)


def resample(embeddings: Tensor, directions: Tensor, cosines: Tensor) -> Tensor:
    """Unit vectors at the given cosines (N,) to the unit embeddings (N, D), towards ``directions`` (N, D).

    Resampling of domains for the hypernetwork (Alanov et al. 2022); ``resampled`` draws both.
    """
    across = directions - (directions * embeddings).sum(-1, keepdim=True) * embeddings
    cosines = cosines[..., None]
    return cosines * embeddings + (1 - cosines.square()).sqrt() * F.normalize(across, dim=-1)


def resampled(embeddings: Tensor, rng: torch.Generator, bound: float = 0.95) -> Tensor:
    """Unit embeddings (..., D) moved to a random cosine in [bound, 1]. The directions are uniform in a cube, as in the
    official code."""
    directions = torch.rand(embeddings.shape, generator=rng).to(embeddings) * 2 - 1
    cosines = torch.rand(embeddings.shape[:-1], generator=rng).to(embeddings) * (1 - bound) + bound
    return resample(embeddings, directions, cosines)


def pyramid_loss(a: Tensor, b: Tensor, levels: int = 4) -> Tensor:
    """L1 of pictures and of their gradients, summed over a pyramid of halved sizes."""
    loss = a.new_zeros(())
    for level in range(levels):
        if level:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        d = a - b
        loss = loss + d.abs().mean() + d.diff(dim=2).abs().mean() + d.diff(dim=3).abs().mean()
    return loss / levels


def stroke_loss(a: Tensor, b: Tensor) -> Tensor:
    """L1 of the mean steepness in windows of 8 px: strokes as strong as the true ones, wherever they lie."""

    def steepness(x: Tensor) -> Tensor:
        across, down = x.diff(dim=3)[:, :, 1:].abs(), x.diff(dim=2)[..., 1:].abs()
        return F.avg_pool2d((across + down).mean(1, keepdim=True), 8)

    return F.l1_loss(steepness(a), steepness(b))
