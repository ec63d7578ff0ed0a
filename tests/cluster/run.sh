#!/usr/bin/env bash
# Relay processes against a Redis that fails: builds with -O2 and runs cluster_test.py with the arguments given.
#
#     tests/cluster/run.sh             the short form, about two minutes
#     tests/cluster/run.sh --full      1,000,000 messages over 1,000 channels in each of the two flow cases
#
# SRL_BUILD_ROOT=DIR says where the build folder goes (the repository unless told), SRL_REDIS_SERVER=PROGRAM which Redis
# or Valkey is started (redis-server unless told).
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${SRL_BUILD_ROOT:-$root}/build-cluster

. "$root/.ci/packages.sh"
need_command gcc gcc libc6-dev
need_command cmake cmake
need_command make make
need_command python3 python3
need_file /usr/include/cmocka.h libcmocka-dev
need_command "${SRL_REDIS_SERVER:-redis-server}" redis-server
install_missing

mkdir -p "$build"
if ! { cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSTREAMRELAY_BUILD_BENCH=OFF &&
    cmake --build "$build" -j "$(getconf _NPROCESSORS_ONLN)" --target streamrelay_cluster_node; } \
    >"$build/build.log" 2>&1; then
    tail -n 40 "$build/build.log"
    exit 1
fi
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/cluster_test.py" "$build/tests/cluster_node" "$@"
