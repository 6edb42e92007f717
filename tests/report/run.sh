#!/usr/bin/env bash
# The report in a real browser: every kind of run, and whatever reports are given by name besides.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/../.."

. scripts/tools.sh

browser=$(tools report tests/report/requirements.txt)
pages=${CARGO_TARGET_DIR:-target}/reports
cargo run --quiet --package soxauto-evidence --example reports -- "$pages" >/dev/null
"$browser/bin/python" tests/report/test_report.py "$pages"/*.html "$@"
