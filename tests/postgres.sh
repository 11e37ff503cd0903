#!/bin/sh
# A private PostgreSQL server for the tests, in a temporary folder, reached by a socket in it: no port is opened.
#   export $(tests/postgres.sh start)     prints GIA_TEST_POSTGRES_URL=...
#   tests/postgres.sh stop                ends the server of GIA_TEST_POSTGRES_URL and removes its folder
set -eu

binaries=$(find /usr/lib/postgresql /usr/local/pgsql -name pg_ctl 2>/dev/null | sort -V | tail -n 1 || true)
binaries=$(dirname "${binaries:-$(command -v pg_ctl || echo /nowhere/pg_ctl)}")

as_postgres() { # the server refuses to run as root
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

start() {
    [ -x "$binaries/pg_ctl" ] || { echo "PostgreSQL is not installed: apt-get install postgresql" >&2; exit 1; }
    folder=$(mktemp -d /tmp/gia-postgres.XXXXXX)
    [ "$(id -u)" != 0 ] || chown postgres "$folder"
    {
        as_postgres "$binaries/initdb" --pgdata "$folder/data" --username postgres --auth trust --no-sync
        as_postgres "$binaries/pg_ctl" start --wait --pgdata "$folder/data" --log "$folder/log" \
            --options "-c listen_addresses='' -c unix_socket_directories=$folder -c fsync=off"
    } >&2
    echo "GIA_TEST_POSTGRES_URL=postgresql+psycopg://postgres@/postgres?host=$folder"
}

stop() {
    folder=${GIA_TEST_POSTGRES_URL##*host=}
    case $folder in
        /tmp/gia-postgres.*) ;;
        *) echo "GIA_TEST_POSTGRES_URL does not name a server that this script started." >&2; exit 1 ;;
    esac
    as_postgres "$binaries/pg_ctl" stop --wait --mode fast --pgdata "$folder/data" >&2
    rm -rf "$folder"
}

case ${1:-} in
    start) start ;;
    stop) stop ;;
    *) sed -n '2,4s/^# //p' "$0" >&2; exit 2 ;;
esac
