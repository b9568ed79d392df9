"""The status page."""

from book.builder.status import status_page


def record(seconds: float, torch: str = "2.9") -> dict:
    return {
        "mode": "fast",
        "seconds": seconds,
        "executed_at": "2026-01-02T03:04:05+00:00",
        "versions": {"eiwork": "0.1.0", "python": "3.12.1", "torch": torch, "deepinv": "0.5.0"},
        "machine": {"processor": "A processor", "cores": 2},
    }


def test_every_lesson_has_its_row_and_versions_are_grouped():
    page = status_page({"00_a": record(12.4), "01_b": record(60.0, torch="2.8"), "02_c": record(3.0)})
    assert "| [00_a](notebooks/00_a.ipynb) | fast | 12 | 2026-01-02 03:04:05 UTC |" in page
    assert "| 0.1.0 | 3.12.1 | 2.9 | 0.5.0 | A processor, 2 cores | 00, 02 |" in page
    assert "| 0.1.0 | 3.12.1 | 2.8 | 0.5.0 | A processor, 2 cores | 01 |" in page
