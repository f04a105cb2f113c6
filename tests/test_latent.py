"""Refinement of the latent: nearer to the photo and to the person, never worse than the encoder's own code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny import load_tiny_model

from stylize.adaptation.latent import RefineSettings, refine
from stylize.errors import StylizeError
from stylize.faces.identity import FaceIdentity
from stylize.images import to_tensor
from stylize.pipeline import Stylizer


def test_every_step_reports_the_best_so_far(tmp_path: Path, astronaut: Image.Image) -> None:
    model = load_tiny_model(tmp_path)
    face = model.faces(astronaut)[0]
    reports = list(refine(model, face, RefineSettings(steps=4)))
    assert [(report.step, report.steps) for report in reports] == [(n, 4) for n in (1, 2, 3, 4)]
    assert torch.equal(reports[0].face.ws, face.ws)  # the first step looks at what the encoder gave
    totals = [sum(report.losses.values()) for report in reports]
    best = reports[totals.index(min(totals))].face
    assert torch.equal(reports[-1].face.ws, best.ws)
    assert totals[-1] < totals[0]
    torch.testing.assert_close(reports[-1].face.source, model.draw(best.ws), atol=0.05, rtol=0)  # half precision
    assert reports[-1].face.crop is face.crop


def test_absurd_numbers_of_steps_are_refused() -> None:
    with pytest.raises(StylizeError, match="1 to 5,000"):
        RefineSettings(steps=100_000)


@pytest.mark.slow
@torch.no_grad()
def test_the_mini_model_comes_nearer_to_the_person(astronaut: Image.Image) -> None:
    mini = Stylizer.load("mini", "cpu")
    face = mini.faces(astronaut)[0]
    *_, last = refine(mini, face, RefineSettings(steps=25))
    goal, judge = to_tensor(face.crop.resize((mini.resolution,) * 2, Image.Resampling.LANCZOS)), FaceIdentity()
    before, after = face.source, last.face.source
    gain = 10 * torch.log10((before - goal).square().mean() / (after - goal).square().mean())
    assert float(gain) > 0.5  # dB
    distance = [float((judge(picture) - judge(goal)).norm()) for picture in (before, after)]
    assert distance[1] < 0.7 * distance[0]
