# Sourced by run.sh of an example: build_and_run TARGET PROGRAM argument... builds the program and becomes it.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

build_and_run() {
    local target=$1 program=$2 build=${SRL_BUILD_ROOT:-$root}/build-$2 log
    shift 2

    . "$root/.ci/packages.sh"
    need_command cc gcc libc6-dev
    need_command cmake cmake
    need_command make make
    install_missing || return 1

    mkdir -p "$build"
    log=$build/build.log
    echo "building in $build"
    if ! { cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSTREAMRELAY_BUILD_TESTS=OFF \
        -DSTREAMRELAY_BUILD_BENCH=OFF && cmake --build "$build" -j "$(nproc 2>/dev/null || echo 2)" \
        --target "$target"; } >"$log" 2>&1; then
        echo "error: the build failed: $(grep -m 1 -E 'error:|CMake Error|undefined reference' "$log" || tail -n 1 "$log") (whole log: $log)" >&2
        return 1
    fi
    exec "$build/examples/$program" "$@"
}
