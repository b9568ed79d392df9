"""Writes into the cards of the shipped models on how many changed sets of scans they were solved, alone and guarded.

    python scripts/tell_convergence.py [NAME ...]

The numbers are those of results/generalisation and results/guarded, which `eiwork generalise` wrote.
"""

import argparse
from pathlib import Path

from eiwork import data
from eiwork.training import load_shipped, shipped_checkpoints
from eiwork_study.generalisation_results import convergence_of

_FOLDER = Path(data.__file__).parent / "checkpoints"
_RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> None:
    """Read the command line and write the cards of the models that it names, of all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=shipped_checkpoints())
    for name in parser.parse_args().names:
        checkpoint = load_shipped(name)
        found = convergence_of(checkpoint, _RESULTS)
        checkpoint.save(_FOLDER / name, changed_scans=found)
        print(name, found)


if __name__ == "__main__":
    main()
