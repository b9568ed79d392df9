#!/bin/sh
# Creates or updates the virtual environment in .venv, with eiwork and every extra installed.
# Needs only a Python 3.11 or newer; changes nothing outside this folder. Safe to run again: an unchanged
# pyproject.toml and Python make it return at once.
set -eu
cd "$(dirname "$0")/.."

environment=.venv
stamp=$environment/.eiwork-installed
python=$environment/bin/python

say() { printf 'eiwork: %s\n' "$*"; }
fail() { printf 'eiwork: %s\n' "$@" >&2; exit 1; }

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
version_of() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo unknown; }

# Prints the first Python that is 3.11 or newer; PYTHON in the environment is looked at first, and alone.
find_python() {
  seen=
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if ! command -v "$candidate" >/dev/null 2>&1; then
      [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is not a program that can be run."
      continue
    fi
    if is_recent "$candidate"; then
      command -v "$candidate"
      return
    fi
    seen="$seen $candidate is $(version_of "$candidate");"
  done
  fail "no Python 3.11 or newer was found.${seen:+ What was found is too old:$seen}" \
    "On Debian 12, Ubuntu 24.04 or newer: sudo apt-get install python3" \
    "Elsewhere install Python 3.11 or newer and name it: make PYTHON=/path/to/python3.12 ..."
}

stamp_content() {
  "$python" - <<'PYTHON'
import hashlib, pathlib, sys
project = hashlib.sha256(pathlib.Path("pyproject.toml").read_bytes()).hexdigest()
print(project, sys.version.split()[0], pathlib.Path.cwd())
PYTHON
}

# Debian keeps pip's wheel in a package of its own, which can be unpacked without root and without installing.
unpack_debian_pip() {
  command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || return 1
  folder=$(cd "$environment" && pwd)/pip-from-debian
  mkdir -p "$folder"
  download="cd '$folder' && apt-get -qq -o APT::Sandbox::User=$(id -un) download python3-pip-whl"
  if ! sh -c "$download" >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || return 1
    say "refreshing Debian's package lists (apt-get update)"
    apt-get -qq update >/dev/null 2>&1 && sh -c "$download" >/dev/null 2>&1 || return 1
  fi
  dpkg-deb --extract "$folder"/python3-pip-whl_*.deb "$folder"
}

create_environment() {
  base=$(find_python) || exit 1
  say "creating the environment $environment with Python $(version_of "$base") ($base)"
  if "$base" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    "$base" -m venv --clear "$environment"
  elif "$base" -m virtualenv --version >/dev/null 2>&1; then
    "$base" -m virtualenv --quiet --clear "$environment"
  elif command -v virtualenv >/dev/null 2>&1; then
    virtualenv --quiet --clear --python "$base" "$environment"
  elif "$base" -m venv --clear --without-pip "$environment" >/dev/null 2>&1 && unpack_debian_pip; then
    say "Python's ensurepip is missing: taking pip from Debian's package python3-pip-whl, without installing that"
    wheel=$(ls "$environment"/pip-from-debian/usr/share/python-wheels/pip-*.whl)
    "$python" "$wheel/pip" install --quiet pip
    rm -rf "$environment/pip-from-debian"
  else
    rm -rf "$environment"
    minor=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "this Python cannot create environments: its ensurepip module is missing, and there is no virtualenv." \
      "On Debian or Ubuntu: sudo apt-get install python3-venv    (or python$minor-venv for this very Python)" \
      "Then run the same make command again."
  fi
}

# uv downloads and unpacks side by side: a minute where pip takes four. It asks the indexes that pip is set up for.
install_with_uv() {
  "$python" -m pip install --disable-pip-version-check --quiet --only-binary=uv uv || return 1
  settings=$("$python" -m pip config list 2>/dev/null) || settings=
  (
    set_from UV_DEFAULT_INDEX index-url
    set_from UV_INDEX extra-index-url
    set_from UV_CONSTRAINT constraint
    set_from SSL_CERT_FILE cert
    # pip's own rule: the best release of all indexes.
    export UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}"
    "$python" -m uv pip install --python "$python" --cache-dir "$environment/uv-cache" --editable ".[all]"
  ) && rm -rf "$environment/uv-cache"
}

# Gives a variable that is not set the value of a setting of pip, where pip has it.
set_from() {
  value=$(printf '%s\n' "$settings" | sed -n "s/^[a-z:]*\.$2='\(.*\)'\$/\1/p" | sed -n '$p')
  if eval "[ -z \"\${$1:-}\" ]" && [ -n "$value" ]; then
    export "$1=$value"
  fi
}

install() {
  install_with_uv && return
  rm -rf "$environment/uv-cache"
  say "uv did not do it: installing with pip, which takes a few minutes longer"
  "$python" -m pip install --disable-pip-version-check --no-compile --editable ".[all]"
}

if [ -e "$environment" ] && [ ! -e "$environment/pyvenv.cfg" ] && [ -n "$(ls -A "$environment")" ]; then
  fail "$environment exists and is not a Python environment; it is left alone. Move it away and run this again."
fi
# An environment whose Python has gone, or whose creation was interrupted, has no working pip.
if ! is_recent "$python" || ! "$python" -m pip --version >/dev/null 2>&1; then
  create_environment
fi
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(stamp_content)" ]; then
  say "the environment $environment is up to date"
  exit 0
fi

rm -f "$stamp"
say "installing eiwork with all its extras into $environment (PyTorch is large: some minutes the first time)"
install || fail "the installation failed; pip's message is above. Run the same command again to continue it."
say "checking that deepinv can be imported, and compiling what lessons and tests import"
# Not all 17000 files, which takes longer. Where PYTHONDONTWRITEBYTECODE is set, every later process would compile
# PyTorch anew: 15 seconds for each lesson.
unset PYTHONDONTWRITEBYTECODE
"$python" -c 'import deepinv' ||
  fail "deepinv was installed but cannot be imported. The usual cause is a torch and a torchvision of different builds." \
    "Remove $environment and run the same make command again; to keep a torch of your own, install the torchvision of that release."
"$python" -c '
import deepinv, contextlib, importlib
names = """torch._dynamo.utils torch.distributed torch.optim scipy.stats scipy.optimize scipy.sparse.linalg sklearn
matplotlib.backends.backend_agg mpl_toolkits.mplot3d PIL.Image pydantic typer rich.progress rich.table tqdm.auto
safetensors.torch jaxtyping beartype dask.distributed anywidget ipywidgets plotly.graph_objects IPython ipykernel.kernelapp
nbclient nbconvert nbformat papermill jupyterlab.labapp jupyter_server.serverapp jupyter_book.cli.main
sphinx.cmd.build myst_nb sphinx_book_theme pytest xdist nbval.plugin playwright.sync_api yaml"""
for name in names.split():
    with contextlib.suppress(Exception):
        importlib.import_module(name)
' >/dev/null 2>&1 || say "not everything could be compiled: the first start of each tool takes longer"
stamp_content >"$stamp"
say "the environment is ready: $environment"
