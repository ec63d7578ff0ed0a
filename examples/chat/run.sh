#!/usr/bin/env bash
# Builds the chat and runs it: examples/chat/run.sh [--port N] [--redis URL] [other options of the program, see --help]
set -eu -o pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${SRL_BUILD_ROOT:-$root}/build-chat

. "$root/.ci/packages.sh"
need_command cc gcc libc6-dev
need_command cmake cmake
need_command make make
install_missing || exit 1

mkdir -p "$build"
log=$build/build.log
echo "building in $build"
if ! { cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSTREAMRELAY_BUILD_TESTS=OFF \
    -DSTREAMRELAY_BUILD_BENCH=OFF && cmake --build "$build" -j "$(nproc 2>/dev/null || echo 2)" \
    --target example_chat; } >"$log" 2>&1; then
    echo "error: the build failed: $(grep -m 1 -E 'error:|CMake Error|undefined reference' "$log" || tail -n 1 "$log") (whole log: $log)" >&2
    exit 1
fi
exec "$build/examples/chat" "$@"
