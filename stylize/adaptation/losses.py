"""The losses of guided adaptation, on embeddings and pictures computed by the caller.

E(.) are unit image embeddings (N, D) of one text-image model, A the source domain, B the adapted one. Descriptions t
are embeddings (D,), or (N, D) with one per picture. The embedding of a description is the mean over several templates,
not normalised again: the differences below are linear in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stylize.faces.detail import octave

FLAT = 0.1  # shorter differences of unit embeddings count less: their direction is noise with a huge gradient


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    return F.cosine_similarity(a.float(), b.float(), dim=-1, eps=FLAT)


def _pairs(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    i, j = torch.tril_indices(n, n, offset=-1, device=device)
    return i, j


def directional_loss(moved: Tensor, source: Tensor, direction: Tensor) -> Tensor:
    """mean(1 - cos(E(B) - E(A), t_B - t_A)); moved, source (N, D), direction (D,) or (N, D).

    Directional CLIP loss of StyleGAN-NADA (Gal et al. 2021). It does not depend on the size of the change.
    """
    return (1 - _cosine(moved - source, direction.expand_as(moved))).mean()


def global_loss(moved: Tensor, target: Tensor) -> Tensor:
    """mean(1 - cos(E(B), t_B)): global CLIP loss (Patashnik et al. 2021, StyleCLIP). With the embedding of a reference
    picture as t_B it is ``clip_ref``, a part of one-shot reconstruction (Zhu et al. 2021)."""
    return (1 - _cosine(moved, target.expand_as(moved))).mean()


def indomain_loss(moved: Tensor, source: Tensor) -> Tensor:
    """Mean over pairs i > j of (cos(E(A_i), E(A_j)) - cos(E(B_i), E(B_j)))^2: different faces stay equally different.

    In-domain angle consistency of HyperDomainNet (Alanov et al. 2022). Zero for a single picture.
    """
    i, j = _pairs(len(moved), moved.device)
    if len(i) == 0:
        return moved.new_zeros(())
    return (_cosine(source[i], source[j]) - _cosine(moved[i], moved[j])).square().mean()


def tt_direction_loss(moved: Tensor, targets: Tensor) -> Tensor:
    """Mean over pairs i > j of 1 - cos(E(B_i) - E(B_j), t_i - t_j); moved, targets (N, D), one domain per picture.

    TT-direction loss of HyperDomainNet (Alanov et al. 2022). A pair of equal domains contributes a constant 1; zero for
    a single picture.
    """
    i, j = _pairs(len(moved), moved.device)
    if len(i) == 0:
        return moved.new_zeros(())
    return (1 - _cosine(moved[i] - moved[j], targets[i] - targets[j])).mean()


def clip_within_loss(moved: Tensor, source: Tensor, style: Tensor, style_source: Tensor) -> Tensor:
    """mean(1 - cos(E(B) - E(style_B), E(A) - E(style_A))); style and style_source (D,) or (1, D).

    Mind the Gap (Zhu et al. 2021): adapted faces lie around the reference as the source faces lie around its
    source-domain counterpart.
    """
    return (1 - _cosine(moved - style, source - style_source)).mean()


def domain_norm(vector: Tensor, sizes: Sequence[int], power: int = 2) -> Tensor:
    """Sum over layers of mean(|d_l|^power), averaged over a batch; vector (..., sum(sizes)); power 2 is L2, 1 is L1.

    Regularisation of the offsets in the official code of HyperDomainNet.
    """
    layers = vector.abs().pow(power).split(list(sizes), dim=-1)
    return torch.stack([layer.mean() for layer in layers]).sum()


BANDS = 3  # octaves of strokes


def part_statistics(pictures: Tensor, parts: Tensor | None) -> tuple[Tensor, Tensor]:
    """(statistics (P, D) of the parts of pictures (N, 3, S, S), over all of them; the parts' shares of the area (P,)).

    For every channel the mean and standard deviation of the tones, and the mean absolute value of BANDS octaves of a
    Laplacian pyramid. parts (N, P, R, R); None for a single one.
    """
    parts = torch.ones_like(pictures[:, :1]) if parts is None else parts.float()
    rows = []
    for _ in range(BANDS):
        pictures, band = octave(pictures)
        rows.append(_weighted(band.abs(), parts))
    mean = _weighted(pictures, parts)
    spread = (_weighted(pictures.square(), parts) - mean.square()).clamp(min=1e-4).sqrt()
    return torch.cat([mean, spread, *rows], 1), parts.mean((0, 2, 3))


def _weighted(values: Tensor, parts: Tensor) -> Tensor:
    """Means (P, C) of values (N, C, H, W) over each part."""
    shares = F.adaptive_avg_pool2d(parts, (values.shape[2], values.shape[3]))
    return torch.einsum("nphw,nchw->pc", shares, values) / shares.sum((0, 2, 3)).clamp(min=1e-3)[:, None]


def statistics_loss(pictures: Tensor, parts: Tensor | None, wanted: tuple[Tensor, Tensor]) -> Tensor:
    """Mean difference from the ``part_statistics`` of other pictures, by the share of the area that a part has in
    both."""
    own, area = part_statistics(pictures, parts)
    weight = torch.minimum(area, wanted[1])
    return ((own - wanted[0]).abs().mean(1) * weight).sum() / weight.sum().clamp(min=1e-6)


def dirichlet(n: int, rows: int, rng: torch.Generator) -> Tensor:
    """Weights (rows, n), each row from Dirichlet(2/n, ..., 2/n)."""
    draws = torch._standard_gamma(torch.full((rows, n), 2 / n), generator=rng)
    return draws / draws.sum(1, keepdim=True)


def convex_hull(embeddings: Tensor, weights: Tensor) -> Tensor:
    """Mixes the domains of a batch: embeddings (N, ..., D), weights (M, N) -> unit (M, ..., D).

    Domain mixing for the hypernetwork (Alanov et al. 2022); the weights come from ``dirichlet``.
    """
    return F.normalize(torch.einsum("mn,n...d->m...d", weights, embeddings), dim=-1)


def resample(embeddings: Tensor, directions: Tensor, cosines: Tensor) -> Tensor:
    """Unit vectors at the given cosines (N,) to the unit embeddings (N, D), in the direction of ``directions`` (N, D).

    Resampling of domains for the hypernetwork (Alanov et al. 2022); ``resampled`` draws both at random.
    """
    across = directions - (directions * embeddings).sum(-1, keepdim=True) * embeddings
    cosines = cosines[..., None]
    return cosines * embeddings + (1 - cosines.square()).sqrt() * F.normalize(across, dim=-1)


def resampled(embeddings: Tensor, rng: torch.Generator, bound: float = 0.95) -> Tensor:
    """Unit embeddings (..., D) moved to a random cosine in [bound, 1] from themselves. The directions are uniform in a
    cube, as in the official code."""
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
    """L1 of the mean gradient magnitude in windows of 8 px: strokes as strong as the true ones, wherever they are."""

    def steepness(x: Tensor) -> Tensor:
        across, down = x.diff(dim=3)[:, :, 1:].abs(), x.diff(dim=2)[..., 1:].abs()
        return F.avg_pool2d((across + down).mean(1, keepdim=True), 8)

    return F.l1_loss(steepness(a), steepness(b))
