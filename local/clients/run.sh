#!/usr/bin/env bash
# Tries the SQL Server stand-in with clients that nobody here wrote: FreeTDS, Microsoft's ODBC driver, mssql-tds.
#
# Usage: local/clients/run.sh [freetds] [odbc] [mssql-tds]     all of them when none is named
#
# Needs: tsql (Debian: freetds-bin) for freetds; python3 with venv for odbc; OpenSSL's headers (libssl-dev) for mssql-tds.
# CLIENTS_VENV is where the driver's virtual environment is made; CARGO_TARGET_DIR is honoured.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=${CLIENTS_VENV:-$target/clients-venv}
[ $# -gt 0 ] || set -- freetds odbc mssql-tds

(cd "$root" && cargo build --locked -p soxauto-tds --example serve)
serve=$target/debug/examples/serve

for client in "$@"; do
    echo "== $client"
    case $client in
    freetds)
        if ! command -v tsql >/dev/null; then
            echo "SKIPPED: tsql is not installed (Debian: apt-get install freetds-bin)" >&2
            continue
        fi
        python3 "$here/freetds.py" "$serve"
        ;;
    odbc)
        if ! "$venv/bin/python" -c 'import mssql_python' 2>/dev/null; then
            python3 -m venv "$venv"
            "$venv/bin/pip" install --quiet --require-hashes -r "$here/requirements.txt"
        fi
        "$venv/bin/python" "$here/odbc.py" "$serve"
        ;;
    mssql-tds)
        (cd "$here/mssql-tds" && CARGO_TARGET_DIR="$target/clients" cargo build --locked)
        python3 "$here/mssql_tds.py" "$serve" "$target/clients/debug/mssql-tds-client"
        ;;
    *)
        echo "unknown client: $client" >&2
        exit 64
        ;;
    esac
done
