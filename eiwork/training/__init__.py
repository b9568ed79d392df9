"""Training without ground truth: recipes, the trainer, checkpoints, evaluation."""

from eiwork.training.build import build_model, build_physics
from eiwork.training.catalogue import get_recipe, recipes
from eiwork.training.checkpoints import Checkpoint, load_checkpoint, load_weights, save_checkpoint
from eiwork.training.evaluation import evaluate
from eiwork.training.recipe import Recipe
from eiwork.training.shipped import load_shipped, shipped_checkpoints
from eiwork.training.trainer import TrainingResult, train

__all__ = [
    "Checkpoint",
    "Recipe",
    "TrainingResult",
    "build_model",
    "build_physics",
    "evaluate",
    "get_recipe",
    "load_checkpoint",
    "load_shipped",
    "load_weights",
    "recipes",
    "save_checkpoint",
    "shipped_checkpoints",
    "train",
]
