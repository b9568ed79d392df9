"""Is the trained operator the proximal map of an invariant prior? Trained operators and controls, measured alike."""

from eiwork_study.proximal.least_squares import fit_denoiser
from eiwork_study.proximal.measure import (
    load_report,
    proximal_report,
    save_report,
    test_images,
    transforms,
)
from eiwork_study.proximal.parts import PARTS, load_part, make_part, part_path
from eiwork_study.proximal.subjects import Subject, control, controls, trained
from eiwork_study.proximal.survey import METHODS, as_data, subject_of, wanted
from eiwork_study.proximal.table import (
    STATISTICS,
    ProximalRow,
    Statistic,
    load_reports,
    proximal_row,
    proximal_rows,
)

__all__ = [
    "METHODS",
    "PARTS",
    "STATISTICS",
    "ProximalRow",
    "Statistic",
    "Subject",
    "as_data",
    "control",
    "controls",
    "fit_denoiser",
    "load_part",
    "load_report",
    "load_reports",
    "make_part",
    "part_path",
    "proximal_report",
    "proximal_row",
    "proximal_rows",
    "save_report",
    "subject_of",
    "test_images",
    "trained",
    "transforms",
    "wanted",
]
