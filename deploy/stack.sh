#!/usr/bin/env bash
# Runs the distributed shape on this machine, without containers: `stack.sh up DIRECTORY` with the built programs in that
# directory, and `stack.sh down`. Its data is thrown away with it.
set -euo pipefail
cd "$(dirname "$0")/.."
state=target/stack
pid_of() { cat "$state/pid" 2>/dev/null; }
runs() { [ -n "$(pid_of)" ] && kill -0 "$(pid_of)" 2>/dev/null; }

case "${1:-}" in
up)
    runs && echo "it is up already: $(cat "$state/addresses")" && exit 0
    mkdir -p "$state"
    rm -f "$state/addresses"
    # shellcheck disable=SC2016 # the variables are those of the stack
    command='echo "$BENNU_TEST_URL (REST, OTLP over HTTP) and $BENNU_TEST_GRPC (OTLP over gRPC)" > "$0"; exec sleep infinity'
    setsid "$2/with-servers" --stack sh -c "$command" "$PWD/$state/addresses" >"$state/log" 2>&1 </dev/null &
    echo $! >"$state/pid"
    # RabbitMQ takes seconds to start; a loaded machine gets much longer.
    for _ in $(seq 600); do
        [ -s "$state/addresses" ] && echo "Bennu is up: $(cat "$state/addresses")" && exit 0
        runs || break
        sleep 0.2
    done
    cat "$state/log" >&2
    exit 1
    ;;
down)
    runs || { echo "it is not up" && exit 0; }
    kill "$(pid_of)"
    for _ in $(seq 300); do
        runs || { rm -rf "$state" && echo "Bennu is down" && exit 0; }
        sleep 0.2
    done
    echo "it does not end; see $state/log" >&2
    exit 1
    ;;
*) echo "usage: $0 up DIRECTORY | down" >&2 && exit 2 ;;
esac
