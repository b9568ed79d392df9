"""An unrolled network: a fixed number of steps of the same iteration, trained by ordinary backpropagation."""

from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.models.iterations import Iteration

Image = Float[Tensor, "batch channel height width"]


class UnrolledNetwork(nn.Module):
    """`steps` applications of F with shared weights, from its start; its output is not a fixed point.

    iteration: e.g. ProximalGradient(ResidualCNN()). steps: >= 1, else InputError.
    """

    def __init__(self, iteration: nn.Module, steps: int = 8) -> None:
        super().__init__()
        if steps < 1:
            raise InputError(f"UnrolledNetwork(steps={steps}): at least one step is needed.")
        self.iterate: Iteration = iteration  # type: ignore[assignment]
        self.steps = steps

    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Run the steps."""
        z = self.iterate.start(y, physics)
        for _ in range(self.steps):
            z = self.iterate(z, y, physics)
        return self.iterate.image(z)
