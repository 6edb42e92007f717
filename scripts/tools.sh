# Sourced by the scripts beside it: tools from the Python package index, installed once into .soxauto/cache/tools, from
# requirements that pin every version and hash. The current folder is the root of the repository.

tools() { # name, requirements: makes the environment if it is not there, prints its folder
  local folder
  folder=".soxauto/cache/tools/$1-$(sha256sum "$2" | cut -c1-16)"
  if [ ! -x "$folder/bin/python" ]; then
    rm -rf "$folder.new" && mkdir -p "${folder%/*}"
    python3 -m venv "$folder.new"
    # The file lists everything that is needed, so nothing is resolved here.
    "$folder.new/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$2" >&2 || return
    "$folder.new/bin/python" -m pip check >&2 || return
    # Their scripts now name an interpreter that has moved, so `python` is given them.
    mv "$folder.new" "$folder"
  fi
  echo "$folder"
}

laptop_python() { # prints the Python of the laptop stack's environment, the newest if requirements have changed; fails without one
  local found
  found=$(ls -td .soxauto/cache/python-*/bin 2>/dev/null | head -n 1) && [ -n "$found" ] && echo "$found/python"
}

sam_tools() { tools template-tools tests/template/requirements.txt; }

step() { printf '== %s (%s s)\n' "$1" "$SECONDS"; }
