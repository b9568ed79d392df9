"""Deep equilibrium models trained by equivariant imaging: the engine of the workbook."""

__version__ = "0.1.0"
