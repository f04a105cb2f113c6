"""Several processes that train together."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from torch import Tensor

from stylize.errors import StylizeError


class Group:
    """The processes that train together, just one without torchrun: each draws its share of the pictures, and all see
    the embeddings of all domains, so that batch statistics and results equal those of a single process."""

    def __init__(self, device: torch.device) -> None:
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        if self.size > 1:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")

    def share(self, count: int) -> slice:
        """The rows of this process."""
        if count % self.size:
            raise StylizeError("{} drawn domains cannot be shared by {} processes; use a multiple.", count, self.size)
        part = count // self.size
        return slice(self.rank * part, (self.rank + 1) * part)

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes. The gradient of this process's own rows counts ``size`` times, which compensates
        for DistributedDataParallel's mean over processes."""
        if self.size == 1:
            return rows
        everyone = [torch.empty_like(rows) for _ in range(self.size)]
        dist.all_gather(everyone, rows.detach().contiguous())
        everyone[self.rank] = rows * self.size - rows.detach() * (self.size - 1)
        return torch.cat(everyone)
