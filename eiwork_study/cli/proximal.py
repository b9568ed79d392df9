"""`eiwork-study proximal`: are trained operators proximal maps? Measurements beside controls."""

from pathlib import Path
from typing import Annotated

import typer

from eiwork.cli.advice import kept
from eiwork.cli.locations import project_folder
from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json
from eiwork.errors import DataFormatError
from eiwork.files import ensure_output_folder
from eiwork.progress import track

_SHOWN = ("learnt", "learnt-null", "smallest-eigenvalue", "lipschitz", "turns")


def proximal(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="ct, mri or inpainting.")],
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Checkpoints of `eiwork-study reproduce --models`; without it the package's own models, of seed 0.",
        ),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Where reports go; results/proximal by default.")
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Seeds 0 ... N-1 of each subject.")] = 3,
    subjects: Annotated[
        list[str] | None,
        typer.Option("--subject", metavar="NAME", help="A method or control; may be repeated. All by default."),
    ] = None,
    light: Annotated[bool, typer.Option("--light", help="Fewer images, probes and circles: a look only.")] = False,
    json_path: JsonPath = None,
) -> None:
    """Ask of the operator of every trained DEQ, and of controls whose answer is known, whether it is a proximal map.

    Asymmetry and spectrum of the Jacobian, circulation and equivariance; one file for a subject and seed, and files
    that are there are not made again. Methods without a model are left out.
    """
    from eiwork_study.problems import base_recipe
    from eiwork_study.proximal.subjects import SUBJECTS, check_subjects, subject_of
    from eiwork_study.proximal.survey import SurveySettings, load_reports, save_report, survey
    from eiwork_study.proximal.table import survey_table

    check_json_path(json_path)
    check_subjects(subjects or ())
    recipe, terminal = base_recipe(problem), console()
    folder = (results or project_folder() / "results" / "proximal") / problem / "survey"
    settings = SurveySettings(n_images=8, n_spectrum=4, n_circles=4) if light else None
    wanted = {folder / f"{name}-{seed}.json": (name, seed) for seed in range(seeds) for name in subjects or SUBJECTS}
    with kept(f"{folder} has what was finished, and the same command makes the others."):
        for path in track([path for path in wanted if not path.exists()], f"{problem}, subjects"):
            name, seed = wanted[path]
            if (subject := subject_of(problem, name, seed, models)) is not None:
                ensure_output_folder(folder, DataFormatError)
                save_report(path, survey(subject, recipe, seed=seed, settings=settings))
                terminal.print(f"{problem}/{name}-{seed}", highlight=False)
    reports = load_reports(folder)
    if not reports:
        raise DataFormatError(
            f"{folder} holds no report, and no subject has a model: `eiwork-study reproduce --problems {problem} "
            "--models DIR` makes them."
        )
    table = survey_table(reports, _SHOWN)
    terminal.print(str(table), soft_wrap=True, highlight=False, markup=False)
    write_json(json_path, {"problem": problem, "reports": len(reports), "rows": survey_table(reports).rows})
