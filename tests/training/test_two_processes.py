"""DistributedDataParallel over two processes takes the model as it is: its gradients are those of one process."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import eiwork
from eiwork import losses, models, physics, symmetry

WORLD, BATCH = 2, 4


def problem():
    """A DEQ with weights that matter, its operator and a batch, in float64, the same in every process."""
    torch.manual_seed(0)
    denoiser = models.ResidualCNN(width=4, depth=2)
    nn.init.normal_(denoiser.network[-1].weight, std=0.05)
    exact = eiwork.Implicit(eiwork.GMRES(tol=1e-13))
    model = models.DEQ(models.ProximalGradient(denoiser), eiwork.Anderson(tol=1e-13, max_iter=500), exact).double()
    scanner = physics.tomography(8, 4).double()
    return model, scanner, scanner.A(torch.rand(BATCH, 1, 8, 8, dtype=torch.float64))


def loss_of(model, y, scanner):
    """An EI loss: two calls of the model in one graph; the group element is the same for every sample."""
    x = model(y, scanner)
    turned = symmetry.Rotation("fourier").transform(x, theta=torch.tensor([30.0], dtype=torch.float64))
    again = model(scanner.A(turned), scanner)
    return losses.Fit().distance(x, y, scanner) + nn.functional.mse_loss(again, turned)


def gradients(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def worker(rank, store, path):
    """One process: its half of the batch, gradients averaged by torch."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=WORLD)
    model, scanner, y = problem()
    share = slice(rank * BATCH // WORLD, (rank + 1) * BATCH // WORLD)
    parallel = DistributedDataParallel(model)  # kept: it averages the gradients while it lives
    loss_of(parallel, y[share], scanner).backward()
    if rank == 0:
        torch.save(gradients(model), path)
    torch.distributed.destroy_process_group()


def test_gradients_of_two_processes_are_those_of_one(tmp_path):
    model, scanner, y = problem()
    loss_of(model, y, scanner).backward()
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", __file__]
    processes = [
        subprocess.Popen([*command, str(rank), tmp_path / "store", tmp_path / "gradient.pt"], env=environment)
        for rank in range(WORLD)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    found = torch.load(tmp_path / "gradient.pt", weights_only=True)
    assert float((found - gradients(model)).norm() / gradients(model).norm()) < 1e-10


if __name__ == "__main__":
    worker(int(sys.argv[1]), sys.argv[2], sys.argv[3])
