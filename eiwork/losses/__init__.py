"""Losses are objects that compose; each is called as loss(model, y, physics, x=None) and returns its `Terms`."""

from eiwork.losses.consistency import Fit, Sure, solve_near, whitened
from eiwork.losses.equivariance import EI, Recorrupted
from eiwork.losses.terms import Adapted, Loss, Objective, Supervised, Terms, as_loss

__all__ = ["EI", "Adapted", "Fit", "Loss", "Objective", "Recorrupted", "Supervised", "Sure", "Terms"]
__all__ += ["as_loss", "solve_near", "whitened"]
