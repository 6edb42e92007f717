#!/usr/bin/env bash
# The report in a real browser: every kind of run, and whatever reports are given by name besides.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/../.."

requirements=tests/report/requirements.txt
folder=".soxauto/cache/tools/report-$(sha256sum "$requirements" | cut -c1-16)"
if [ ! -x "$folder/bin/python" ]; then
  rm -rf "$folder.new" && mkdir -p "${folder%/*}"
  python3 -m venv "$folder.new"
  "$folder.new/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$requirements"
  "$folder.new/bin/python" -m pip check
  mv "$folder.new" "$folder"
fi

pages=${CARGO_TARGET_DIR:-target}/reports
cargo run --quiet --package soxauto-evidence --example reports -- "$pages" >/dev/null
"$folder/bin/python" tests/report/test_report.py "$pages"/*.html "$@"
