"""Looking at a training does not change it, and can be interrupted."""

import json
from itertools import pairwise

import pytest
import torch

from eiwork.errors import InputError
from eiwork.training import load_checkpoint, train
from eiwork_study import method_recipe
from eiwork_study.proximal.along import along, steps_to_look_at


def test_the_looks_are_denser_at_the_start():
    steps = steps_to_look_at(500, 20)
    gaps = [b - a for a, b in pairwise(steps)]
    assert steps[0] == 0
    assert steps[-1] == 500
    assert len(steps) == 21
    assert gaps == sorted(gaps)
    assert steps_to_look_at(3, 20) == [0, 1, 2, 3]
    with pytest.raises(InputError, match="at least two"):
        steps_to_look_at(1)


def test_the_training_is_the_same_and_continues(tmp_path, few, small):
    overrides = small | {"steps": 4}
    report = along("mri", "ei", 1, tmp_path / "looked", n=2, settings=few, overrides=overrides)
    assert [row["step"] for row in report["rows"]] == [0, 1, 4]
    train(
        method_recipe("mri", "ei").with_overrides(seed=1, **overrides),
        tmp_path / "alone",
        device="cpu",
        progress=False,
        measure=False,
    )
    looked, alone = (load_checkpoint(tmp_path / name).weights for name in ("looked", "alone"))
    assert all(torch.equal(looked[name], weight) for name, weight in alone.items())
    assert report["rows"][0]["learnt"] != report["rows"][-1]["learnt"]
    place = tmp_path / "looked" / "along.json"
    place.write_text(json.dumps(report["rows"][:2]))
    again = along("mri", "ei", 1, tmp_path / "looked", n=2, settings=few, overrides=overrides)
    assert again["rows"] == report["rows"]
