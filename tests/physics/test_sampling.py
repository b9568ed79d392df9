import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics.sampling import column_mask


@pytest.mark.parametrize(("width", "acceleration"), [(64, 4), (64, 3), (65, 4), (64, 8), (128, 2.5), (10, 1)])
def test_exactly_the_asked_for_columns_with_the_centre(width, acceleration):
    mask = column_mask(width, acceleration=acceleration, center_fraction=0.08, seed=0)
    assert mask.sum() == round(width / acceleration)
    assert set(mask.tolist()) <= {0.0, 1.0}
    center = max(1, round(0.08 * width))
    start = width // 2 - center // 2
    assert mask[start : start + center].all()
    assert mask[width // 2] == 1


def test_the_seed_fixes_the_mask():
    first, same, other = (column_mask(64, acceleration=4, center_fraction=0.08, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_low_frequencies_are_denser():
    counts = sum(column_mask(64, acceleration=4, center_fraction=0.08, seed=s) for s in range(200))
    near, far = torch.cat([counts[22:29], counts[36:43]]), torch.cat([counts[:7], counts[57:]])
    assert near.mean() > 3 * far.mean()


def test_the_centre_fraction_changes_the_mask():
    wide = column_mask(64, acceleration=4, center_fraction=0.25, seed=0)
    assert torch.equal(wide.nonzero().flatten(), torch.arange(24, 40))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"acceleration": 0.5}, "acceleration = 0.5"),
        ({"acceleration": 65}, "acceleration = 65"),
        ({"center_fraction": 0}, "center_fraction = 0"),
        ({"center_fraction": 1.5}, "center_fraction"),
        ({"center_fraction": 0.5}, "asks for 32 central columns, but acceleration = 4 leaves 16"),
    ],
)
def test_impossible_masks_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        column_mask(64, **{"acceleration": 4, "center_fraction": 0.08, "seed": 0} | arguments)
