#!/usr/bin/env bash
# Runs autobahn.py with the arguments given, after installing what requirements.txt pins, once, into target/autobahn.
# Needs python3 (or PYTHON) of 3.11 or later.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(cd "$here/../.." && pwd)/target/autobahn
python=${PYTHON:-python3}
mkdir -p "$work"
export PIP_ROOT_USER_ACTION=ignore

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  { echo "the Autobahn suite needs Python 3.11 or later: $python is $("$python" --version 2>&1)" >&2; exit 1; }

if ! cmp -s "$here/requirements.txt" "$work/installed"; then
  rm -rf "$work/venv" "$work/packages" "$work/installed"
  # Debian's Python makes no venv without the package python3-venv; its pip may be there all the same.
  if "$python" -m venv "$work/venv" >"$work/venv.log" 2>&1; then
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  elif rm -rf "$work/venv" && "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m pip install --quiet --disable-pip-version-check --target "$work/packages" -r "$here/requirements.txt"
  else
    echo "$python has neither venv nor pip: install them (Debian: apt-get install python3-venv); see $work/venv.log" >&2
    exit 1
  fi
  cp "$here/requirements.txt" "$work/installed"
fi

if [ -x "$work/venv/bin/python" ]; then
  exec "$work/venv/bin/python" "$here/autobahn.py" "$@"
fi
PYTHONPATH=$work/packages exec "$python" "$here/autobahn.py" "$@"
