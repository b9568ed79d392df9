"""`eiwork recipes`, `eiwork train` and `eiwork evaluate`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from eiwork.cli.advice import kept
from eiwork.cli.reporting import JsonPath, check_json_path, console, say, write_json

_DEVICE = typer.Option("--device", metavar="NAME", help="auto (a GPU when there is one), cpu, cuda, or cuda:N.")
DeviceName = Annotated[str, _DEVICE]


def recipes(json_path: JsonPath = None) -> None:
    """List the recipes that `eiwork train` knows."""
    from eiwork.training import recipes as all_recipes

    check_json_path(json_path)
    table = Table("recipe", "steps", "what it trains", title="Recipes")
    for name, recipe in all_recipes().items():
        table.add_row(name, str(recipe.steps), recipe.summary)
    console().print(table)
    write_json(json_path, {name: recipe.model_dump(mode="json") for name, recipe in all_recipes().items()})


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="One of the names that `eiwork recipes` lists.")],
    output: Annotated[Path | None, typer.Option(metavar="FOLDER", file_okay=False, help="Else runs/RECIPE.")] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="By default the recipe's own.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="By default the recipe's own.")] = None,
    device: DeviceName = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the training found in the output folder.")] = False,
    json_path: JsonPath = None,
) -> None:
    """Train a reconstruction network, by most recipes from measurements alone.

    Shows the loss, the PSNR on held-out images (monitoring only: it never influences the training) and the number
    of evaluations. Ctrl-C stops after the step at hand and leaves a usable checkpoint; --resume continues from it.
    """
    from eiwork.training import evaluate_checkpoint, get_recipe
    from eiwork.training import train as train_recipe

    overrides = {key: value for key, value in (("steps", steps), ("seed", seed)) if value is not None}
    chosen = get_recipe(recipe).with_overrides(**overrides)
    check_json_path(json_path)
    folder = Path("runs") / recipe if output is None else output
    given = {"output": folder, **overrides, "device": device, "json": json_path}
    same = [f"--{key}={value}" for key, value in given.items() if value not in (None, "auto")]
    again = f"Continue with: {shlex.join(['eiwork', 'train', recipe, *same, '--resume'])}"
    try:
        run = train_recipe(chosen, folder, device=device, resume=resume)
    except KeyboardInterrupt:  # before the first step, or at the second Ctrl-C
        raise KeyboardInterrupt(again if (folder / "state.json").exists() else "") from None
    say(f"Checkpoint: {run.checkpoint}")
    result = {"checkpoint": str(run.checkpoint), "interrupted": run.interrupted, "history": run.history}
    figures = {"recipe": chosen.model_dump(mode="json")} | result
    if run.interrupted:
        write_json(json_path, figures)
        raise KeyboardInterrupt(again)
    assert run.checkpoint is not None
    with kept(f"The training is complete. Measure it with: eiwork evaluate {run.checkpoint}"):
        _, evaluation = evaluate_checkpoint(run.checkpoint, device=device)
    say(f"{evaluation.table()}")
    write_json(json_path, figures | {"summary": evaluation.summary})


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A .safetensors file written by train.")],
    device: DeviceName = "auto",
    json_path: JsonPath = None,
) -> None:
    """Measure a checkpoint on the test images of its recipe, beside the reconstructions that need no training."""
    from eiwork.training import evaluate_checkpoint

    check_json_path(json_path)
    recipe, evaluation = evaluate_checkpoint(checkpoint, device=device)
    say(f"{recipe.name}, test images. {evaluation.table()}")
    write_json(json_path, {"name": recipe.name, "summary": evaluation.summary, "images": evaluation.values})
