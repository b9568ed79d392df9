from statistics import median


def test_files_are_small(modules, root):
    assert len(modules) > 50
    lines = {path.relative_to(root): len(path.read_text().splitlines()) for path in modules.values()}
    assert {path: n for path, n in lines.items() if n > 400} == {}
    assert median(lines.values()) < 150


def test_tests_and_scripts_are_small(root):
    files = [*root.glob("tests/**/*.py"), *root.glob("scripts/*"), *root.glob("benchmarks/**/*.py")]
    lines = {path.relative_to(root): len(path.read_text().splitlines()) for path in files if path.is_file()}
    assert {path: n for path, n in lines.items() if n > 400} == {}
