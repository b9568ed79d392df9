"""Executes one notebook with papermill: `python runner.py JSON`, with papermill's arguments as JSON.

A script of its own, run by its path and importing nothing of the package: a run starts in a second, several run side
by side, and Ctrl-C reaches each. A failure is told as JSON on standard output, with exit status 1.
"""

import json
import sys


def main(arguments: dict[str, object]) -> int:
    """Run `papermill.execute_notebook(**arguments)` and return the exit status."""
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # see quick_start.py
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError

    try:
        papermill.execute_notebook(**arguments)
    except papermill.PapermillExecutionError as error:
        told = f"{error.ename}: {error.evalue}"
        failure = {"cell_index": error.cell_index, "source": error.source, "error": told}
    except (DeadKernelError, NoSuchKernel) as error:
        failure = {"kernel": f"{type(error).__name__}: {error}"}
    else:
        return 0
    sys.stdout.write(json.dumps(failure))
    return 1


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
