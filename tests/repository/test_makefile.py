import os
import re
import subprocess


def make(root, *arguments):
    # Under `make test` this is a make inside a make, which would announce the folders it enters and share options.
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "TEST_ARGS", "WORKERS", "LAB_ARGS"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(["make", *arguments], cwd=root, capture_output=True, text=True, env=environment)


def dry_run(root, *arguments):
    done = make(root, "--dry-run", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_is_the_default_and_names_every_target(root):
    done = make(root, "--silent")
    targets = re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE)
    assert done.returncode == 0
    assert {"lab", "test", "book", "lint", "notebooks", "clean", "help"} <= set(targets)
    assert [target for target in targets if f"make {target} " not in done.stdout] == []


def test_every_target_starts_with_the_environment(root):
    for target in ("lab", "lint", "test", "notebooks", "book"):
        assert dry_run(root, target).startswith("./scripts/environment.sh"), target


def test_test_runs_style_types_lessons_and_every_test(root):
    commands = dry_run(root, "test")
    order = ["ruff check .", "ruff format --check .", "mypy", "book.builder notebooks --fast --jobs=2"]
    order += ["--numprocesses=2"]
    assert sorted(map(commands.index, order)) == list(map(commands.index, order))
    assert "--dist=loadfile" in commands


def test_options_are_passed_on_and_the_book_is_built_from_freshly_executed_lessons(root):
    lab = dry_run(root, "lab", "LAB_ARGS=--no-browser --port=9000")
    assert lab.endswith("eiwork lab -- --no-browser --port=9000\n")
    chosen = dry_run(root, "test", "TEST_ARGS=tests/physics", "WORKERS=4")
    assert "book.builder" not in chosen, "chosen tests do not wait for the lessons"
    assert "--numprocesses=4" in chosen
    assert chosen.rstrip().endswith("tests/physics")
    commands = dry_run(root, "book")
    assert commands.index("builder notebooks --fast") < commands.index("builder book")
