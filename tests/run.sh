#!/usr/bin/env bash
# Builds everything and runs all tests. The last line is "N passed, N failed".
set -u -o pipefail

usage() {
    cat <<'END'
usage: tests/run.sh [option...] [pattern]

  (nothing)          gcc with ASan and UBSan: all tests of ctest, the conformance tests, valgrind over the unit tests
  --all              the same, and once more with clang
  --compiler NAME    gcc (default) or clang
  --quick            only the sanitizer build and its unit tests
  --valgrind         only the -O2 build and valgrind over its unit tests
  --coverage [MIN]   only the line coverage of src/; fails below MIN percent if that is given
  --update-docs      write docs/options.md anew from the table of options, then stop
  pattern            only those tests of ctest whose name matches this regular expression (no others are run)

Missing packages are installed with apt-get (as root or through sudo), after saying which.
SRL_SKIP_BROWSER=1   leaves out the tests that need Chromium
SRL_BUILD_ROOT=DIR   where the build folders go (build-*/ of the repository unless told)
END
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_root=${SRL_BUILD_ROOT:-$root}
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
passed=0
failed=0
step_pid=""

. "$root/.ci/packages.sh"

stop_step() {
    if [ -n "$step_pid" ]; then
        kill -TERM -- "-$step_pid" 2>/dev/null
        sleep 0.2
        kill -KILL -- "-$step_pid" 2>/dev/null
        step_pid=""
    fi
}
trap stop_step EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Run a command as a process group of its own, and leave nothing of it running.
run_step() {
    local status
    set -m
    "$@" &
    step_pid=$!
    set +m
    wait "$step_pid"
    status=$?
    if kill -0 -- "-$step_pid" 2>/dev/null; then
        stop_step
    fi
    step_pid=""
    return $status
}

in_folder() {
    cd "$1" && shift && "$@"
}

say() {
    printf '\n== %s\n' "$*"
}

fail() {
    echo "FAILED: $*"
    failed=$((failed + 1))
}

finish() {
    echo
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# ---- what must be there

need_tools() {
    need_command gcc gcc libc6-dev
    need_command g++ g++
    need_command cmake cmake
    need_command make make
    need_command pkg-config pkgconf
    need_command python3 python3
    need_file /usr/include/cmocka.h libcmocka-dev
    need_command redis-server redis-server
    case " $* " in *" clang "*)
        need_command clang clang libclang-rt-dev
        ;;
    esac
    case " $* " in *" valgrind "*) need_command valgrind valgrind libc6-dbg ;; esac
    case " $* " in *" coverage "*) need_command gcovr gcovr ;; esac
    case " $* " in *" node "*)
        need_command node nodejs
        need_command npm npm
        ;;
    esac
    case " $* " in *" browser "*)
        command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 ||
            need_command chromium chromium
        ;;
    esac
    if ! install_missing; then
        failed=1
        finish
    fi
}

# ---- building

# configure_and_build FOLDER COMPILER cmake-argument... : fails if there is no library to test.
configure_and_build() {
    local dir="$build_root/$1" log="$build_root/$1/build.log"
    local options=(-DCMAKE_C_COMPILER="$2" -DSTREAMRELAY_WERROR=ON "${@:3}")
    mkdir -p "$dir"
    if ! run_step cmake -S "$root" -B "$dir" "${options[@]}" >"$log" 2>&1; then
        grep -A 12 'CMake Error' "$log" | head -n 60
        fail "cmake in $dir (whole log: $log)"
        return 1
    fi
    if ! run_step cmake --build "$dir" -j "$jobs" -- -k >>"$log" 2>&1; then
        grep -E -A 8 ': (fatal )?error:|undefined reference|multiple definition|CMake Error' "$log" | head -n 100
        fail "build in $dir (whole log: $log)"
    fi
    [ -e "$dir/src/libstreamrelay.a" ]
}

build_sanitized() {
    configure_and_build "build-$1-sanitize" "$1" -DCMAKE_BUILD_TYPE=Debug \
        "-DSTREAMRELAY_SANITIZE=address;undefined" -DSTREAMRELAY_BUILD_BENCH=OFF
}

build_optimized() {
    configure_and_build "build-$1-release" "$1" -DCMAKE_BUILD_TYPE=RelWithDebInfo "${@:2}"
}

# ---- running

# run_ctest FOLDER ctest-argument...
run_ctest() {
    local dir="$build_root/$1" log="$build_root/$1/ctest.log" status summary bad total
    shift
    run_step ctest --test-dir "$dir" --output-on-failure --no-tests=error -j "$jobs" "$@" >"$log" 2>&1
    status=$?
    summary=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests failed out of [0-9]+' "$log" | tail -n 1)
    if [ -z "$summary" ]; then
        tail -n 30 "$log"
        fail "ctest in $dir"
        return
    fi
    bad=$(sed -E 's/.* ([0-9]+) tests failed.*/\1/' <<<"$summary")
    total=$(sed -E 's/.*out of ([0-9]+).*/\1/' <<<"$summary")
    if [ "$bad" -ne 0 ] || [ "$status" -ne 0 ]; then
        grep -v -E ' Passed +[0-9.]+ sec$|^ +Start ' "$log" | head -c 60000
        [ "$bad" -gt 0 ] || bad=1
    fi
    echo "$((total - bad)) of $total passed"
    passed=$((passed + total - bad))
    failed=$((failed + bad))
}

tap_sum() {
    local sum=0 value
    for value in $(sed -n -E "s/^# ($1) ([0-9]+)\$/\2/p" "$2"); do
        sum=$((sum + value))
    done
    echo "$sum"
}

# run_node FOLDER-OF-TESTS BUILD-FOLDER
run_node() {
    local dir="$root/tests/conformance/$1" log="$build_root/$2/node-$1.log" status good bad chat install=install
    chat=$(find "$build_root/$2/examples" -type f -name chat -perm -u+x 2>/dev/null | head -n 1)
    [ -f "$dir/package-lock.json" ] && install=ci
    if ! run_step in_folder "$dir" env PUPPETEER_SKIP_DOWNLOAD=1 PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 \
        npm "$install" --no-audit --no-fund >"$log" 2>&1; then
        tail -n 20 "$log"
        fail "npm $install in tests/conformance/$1"
        return
    fi
    run_step in_folder "$dir" env SRL_CHAT="$chat" node --test --test-reporter=tap >"$log" 2>&1
    status=$?
    good=$(tap_sum pass "$log")
    bad=$(tap_sum 'fail|cancelled' "$log")
    if [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; then
        tail -n 200 "$log"
        [ "$bad" -gt 0 ] || bad=1
    fi
    echo "$good of $((good + bad)) passed"
    passed=$((passed + good))
    failed=$((failed + bad))
}

run_conformance() {
    local suite
    for suite in ws browser; do
        [ -f "$root/tests/conformance/$suite/package.json" ] || continue
        if [ "$suite" = browser ] && [ "${SRL_SKIP_BROWSER:-0}" = 1 ]; then
            say "conformance/browser is left out: SRL_SKIP_BROWSER=1"
            continue
        fi
        say "conformance/$suite against $1"
        run_node "$suite" "$1"
    done
}

run_valgrind() {
    say "$1: -O2, unit tests under valgrind"
    build_optimized "$1" -DSTREAMRELAY_VALGRIND=ON && run_ctest "build-$1-release" -L unit
}

run_compiler() {
    say "$1: ASan and UBSan, warnings are errors"
    build_sanitized "$1" || return
    if [ -n "$pattern" ]; then
        run_ctest "build-$1-sanitize" -R "$pattern"
    elif [ "$mode" = quick ]; then
        run_ctest "build-$1-sanitize" -L unit
    else
        run_ctest "build-$1-sanitize"
        run_conformance "build-$1-sanitize"
    fi
}

run_coverage() {
    local dir="build-gcc-coverage" percent
    say "line coverage of src/"
    configure_and_build "$dir" gcc -DCMAKE_BUILD_TYPE=Debug -DSTREAMRELAY_COVERAGE=ON -DSTREAMRELAY_BUILD_BENCH=OFF ||
        return
    find "$build_root/$dir" -name '*.gcda' -delete
    run_ctest "$dir" -L 'unit|simulation|fuzz|integration'
    run_step in_folder "$root" gcovr --root "$root" --filter 'src/' --print-summary \
        "$build_root/$dir/src/CMakeFiles/streamrelay_static.dir" \
        >"$build_root/$dir/coverage.txt" 2>&1 ||
        fail "gcovr (see $build_root/$dir/coverage.txt)"
    cat "$build_root/$dir/coverage.txt"
    percent=$(sed -n -E 's/^lines: ([0-9.]+)%.*/\1/p' "$build_root/$dir/coverage.txt")
    if ! awk -v have="${percent:-0}" -v want="${coverage_minimum:-0}" 'BEGIN { exit !(have >= want) }'; then
        fail "line coverage of src/ is ${percent:-unknown} %, at least $coverage_minimum % is wanted"
    fi
}

# ---- what is wanted

compilers="gcc"
mode="full"
pattern=""
coverage_minimum=""
while [ $# -gt 0 ]; do
    case "$1" in
    --all) compilers="gcc clang" ;;
    --compiler)
        compilers=${2:-}
        shift
        ;;
    --quick) mode=quick ;;
    --valgrind) mode=valgrind ;;
    --update-docs) mode=docs ;;
    --coverage)
        mode=coverage
        if [[ "${2:-}" =~ ^[0-9.]+$ ]]; then
            coverage_minimum=$2
            shift
        fi
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    -*)
        usage >&2
        exit 2
        ;;
    *) pattern=$1 ;;
    esac
    shift
done
case "$compilers" in gcc | clang | "gcc clang") ;; *)
    usage >&2
    exit 2
    ;;
esac

tools=$compilers
case $mode in
full)
    if [ -z "$pattern" ]; then
        tools="$tools valgrind node"
        [ "${SRL_SKIP_BROWSER:-0}" = 1 ] || tools="$tools browser"
    fi
    ;;
valgrind | coverage) tools="$tools $mode" ;;
esac
need_tools "$tools"

mkdir -p "$build_root"
if command -v flock >/dev/null 2>&1; then
    exec 9>"$build_root/build.lock"
    flock -n 9 || { echo "waiting for another run in $build_root" && flock 9; }
fi

case $mode in
docs)
    document="$build_root/build-gcc-release/options.md"
    build_optimized gcc && "$build_root/build-gcc-release/tests/checks/options_doc" >"$document" &&
        cp "$document" "$root/docs/options.md" && echo "docs/options.md is written"
    exit
    ;;
coverage) run_coverage ;;
valgrind) run_valgrind "${compilers%% *}" ;;
*)
    for compiler in $compilers; do
        run_compiler "$compiler"
    done
    if [ "$mode" = full ] && [ -z "$pattern" ]; then
        run_valgrind gcc
    fi
    ;;
esac
finish
