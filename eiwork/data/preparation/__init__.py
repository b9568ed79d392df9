"""How the embedded files are made from published packages; `eiwork.data.build` drives it."""
