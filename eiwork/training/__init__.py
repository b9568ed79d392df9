"""Training without ground truth: `fit` for anyone's scanner, data and network; recipes, checkpoints, evaluation."""

from eiwork.training.catalogue import get_recipe, recipes
from eiwork.training.checkpoints import Checkpoint, load_checkpoint, load_shipped, save_checkpoint, shipped_checkpoints
from eiwork.training.contraction import Contraction
from eiwork.training.evaluation import Evaluation, evaluate
from eiwork.training.fitting import Run, fit
from eiwork.training.from_recipe import evaluate_checkpoint, train
from eiwork.training.optimiser import Optimiser
from eiwork.training.recipe import Data, Recipe

__all__ = [
    "Checkpoint",
    "Contraction",
    "Data",
    "Evaluation",
    "Optimiser",
    "Recipe",
    "Run",
    "evaluate",
    "evaluate_checkpoint",
    "fit",
    "get_recipe",
    "load_checkpoint",
    "load_shipped",
    "recipes",
    "save_checkpoint",
    "shipped_checkpoints",
    "train",
]
