"""Which operators let samples be taken apart."""

import torch
from deepinv.physics import Inpainting

from eiwork.models import ProximalGradient, ResidualCNN
from eiwork.models.batch_map import BatchMap
from eiwork.physics import tomography


def test_as_many_views_as_samples_are_no_parameters_of_samples():
    """Regression: 8 angles and a batch of 8 kept converged samples in the batch."""
    physics = tomography(16, n_views=4)
    x = torch.rand(4, 1, 16, 16)
    whole = BatchMap(ProximalGradient(ResidualCNN(width=4, depth=2)), physics.A(x), physics)
    part = whole.select(torch.tensor([0, 2]))
    assert part is not None
    torch.testing.assert_close(part(x[[0, 2]]), whole(x)[[0, 2]])


def test_a_mask_for_every_sample_keeps_the_batch_together():
    x = torch.rand(4, 1, 16, 16)
    physics = Inpainting((1, 16, 16), mask=(torch.rand(4, 1, 16, 16) > 0.5).float())
    assert (
        BatchMap(ProximalGradient(ResidualCNN(width=4, depth=2)), physics.A(x), physics).select(torch.tensor([0]))
        is None
    )
