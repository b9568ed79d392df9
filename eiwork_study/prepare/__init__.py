"""How the embedded files are made from published packages; `eiwork_study.prepare.build` drives it."""
