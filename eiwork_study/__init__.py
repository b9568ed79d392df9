"""How the committed numbers are made: trainings, changed scans, proximal diagnostics, benchmarks, embedded images."""
