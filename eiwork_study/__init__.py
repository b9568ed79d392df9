"""The study: methods on problems over seeds, as tasks that can be interrupted, and what follows from their results."""

from eiwork_study.ablation_table import AblationRow, ablation_rows, seed_reach
from eiwork_study.budgets import BudgetRow, at_equal_budgets
from eiwork_study.collection import Collection, collect
from eiwork_study.committed import committed_folder, committed_results
from eiwork_study.generalisation import Shift, generalisation_report, generalise, shifts
from eiwork_study.grid import Task, grid
from eiwork_study.ledger import Claim, Evidence, Exact, judge, verdict_of
from eiwork_study.methods import CLASSICAL, CORE_METHODS, applies, method_recipe, methods
from eiwork_study.problems import CORE_PROBLEMS, problems
from eiwork_study.report import write_report
from eiwork_study.result import RunResult, load_result, save_result
from eiwork_study.schedule import Progress, run_tasks
from eiwork_study.statistics import (
    Difference,
    Interval,
    gap_closure,
    mean_interval,
    paired_difference,
)
from eiwork_study.tables import Row, rich_tables, table_rows
from eiwork_study.task import Places, existing_result, run_task

__all__ = [
    "CLASSICAL",
    "CORE_METHODS",
    "CORE_PROBLEMS",
    "AblationRow",
    "BudgetRow",
    "Claim",
    "Collection",
    "Difference",
    "Evidence",
    "Exact",
    "Interval",
    "Places",
    "Progress",
    "Row",
    "RunResult",
    "Shift",
    "Task",
    "ablation_rows",
    "applies",
    "at_equal_budgets",
    "collect",
    "committed_folder",
    "committed_results",
    "existing_result",
    "gap_closure",
    "generalisation_report",
    "generalise",
    "grid",
    "judge",
    "load_result",
    "mean_interval",
    "method_recipe",
    "methods",
    "paired_difference",
    "problems",
    "rich_tables",
    "run_task",
    "run_tasks",
    "save_result",
    "seed_reach",
    "shifts",
    "table_rows",
    "verdict_of",
    "write_report",
]
