#!/usr/bin/env bash
# Builds everything and runs all tests. The last line is "N passed, N failed".
set -u -o pipefail

usage() {
    cat <<'END'
usage: tests/run.sh [option...] [pattern]

  (nothing)          gcc with ASan and UBSan: all tests of ctest, the conformance tests, valgrind over the unit tests
  --all              the same, and all tests of ctest but those of the cluster once more with clang
  --compiler NAME    gcc (default) or clang
  --quick            only the sanitizer build and its unit tests
  --valgrind         only the -O2 build and valgrind over its unit tests
  --coverage [MIN]   only the line coverage of src/; fails below MIN percent if that is given
  --update-docs      write docs/options.md anew from the table of options, then stop
  pattern            only those tests of ctest whose name matches this regular expression (no others are run)

Missing packages are installed with apt-get (as root or through sudo), after saying which.
SRL_SKIP_BROWSER=1   leaves out the tests that need Chromium
SRL_SKIP_SDKS=1      leaves out the tests with Centrifugo's SDKs, which come from npm, PyPI and the Go module proxy
SRL_BUILD_ROOT=DIR   where the build folders go (build-*/ of the repository unless told)
SRL_REDIS_SERVER=PROGRAM
                     the Redis or Valkey that tests start, 6.2 or later (redis-server unless told)
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
    need_command "${SRL_REDIS_SERVER:-redis-server}" redis-server
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
    case " $* " in *" sdks "*)
        need_command go golang-go
        python3 -c 'import ensurepip, venv' 2>/dev/null || need_package python3-venv
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

# count_results GOOD BAD STATUS LOG : show the log unless all went well, and add to the sums.
count_results() {
    local good=$1 bad=$2
    if [ "$3" -ne 0 ] || [ "$good" -eq 0 ]; then
        tail -n 200 "$4"
        [ "$bad" -gt 0 ] || bad=1
    fi
    echo "$good of $((good + bad)) passed"
    passed=$((passed + good))
    failed=$((failed + bad))
}

example_program() {
    find "$build_root/$1/examples" -type f -name "$2" -perm -u+x 2>/dev/null | head -n 1
}

install_node_packages() {
    local dir="$root/tests/conformance/$1" log=$2 install=install
    [ -f "$dir/package-lock.json" ] && install=ci
    if ! run_step in_folder "$dir" env PUPPETEER_SKIP_DOWNLOAD=1 PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 \
        npm "$install" --no-audit --no-fund >"$log" 2>&1; then
        tail -n 20 "$log"
        fail "npm $install in tests/conformance/$1 (is the npm registry within reach?)"
        return 1
    fi
}

# run_node FOLDER-OF-TESTS BUILD-FOLDER NAME=VALUE...
run_node() {
    local dir="$root/tests/conformance/$1" log="$build_root/$2/node-${1//\//-}.log" status
    install_node_packages "$1" "$log" || return
    run_step in_folder "$dir" env "${@:3}" node --test --test-reporter=tap >"$log" 2>&1
    status=$?
    [ "$verbose" = 0 ] || sed -n -E 's/^ +(not ok|ok) [0-9]+ - /  \1  /p' "$log"
    count_results "$(tap_sum pass "$log")" "$(tap_sum 'fail|cancelled' "$log")" "$status" "$log"
}

# The Python packages and the Go program go into a build folder, the Go modules to where Go keeps them.
prepare_sdks() {
    local sdks="$root/tests/conformance/centrifugo" dir="$build_root/build-sdks"
    local venv="$dir/python" log="$dir/install.log"
    mkdir -p "$dir"
    if ! { [ -x "$venv/bin/pip" ] || run_step python3 -m venv --clear "$venv"; } >"$log" 2>&1 ||
        ! run_step "$venv/bin/pip" install -q -r "$sdks/python/requirements.txt" >>"$log" 2>&1; then
        tail -n 20 "$log"
        fail "pip install of tests/conformance/centrifugo/python (is PyPI within reach?)"
        return 1
    fi
    if ! run_step in_folder "$sdks/go" go build -o "$build_root/build-sdks/go-peer" ./peer >"$log" 2>&1; then
        tail -n 20 "$log"
        fail "go build in tests/conformance/centrifugo/go (wants Go 1.25; is the Go module proxy within reach?)"
        return 1
    fi
}

run_python_sdk() {
    local log="$build_root/$1/centrifugo-python.log" status total bad
    run_step in_folder "$root/tests/conformance/centrifugo/python" env "${@:2}" PYTHONDONTWRITEBYTECODE=1 \
        "$build_root/build-sdks/python/bin/python" -m unittest -v >"$log" 2>&1
    status=$?
    sed -n -E 's/^centrifuge-python: (.*) \.\.\. (ok|FAIL|ERROR|skipped).*/  \2  \1/p' "$log"
    total=$(sed -n -E 's/^Ran ([0-9]+) tests? .*/\1/p' "$log")
    bad=$(grep -c -E '^(ERROR|FAIL): ' "$log")
    count_results "$((${total:-0} - bad))" "$bad" "$status" "$log"
}

run_go_sdk() {
    local log="$build_root/$1/centrifugo-go.log" status
    run_step in_folder "$root/tests/conformance/centrifugo/go" env "${@:2}" go test -count=1 -v ./... >"$log" 2>&1
    status=$?
    sed -n -E 's/^--- (PASS|FAIL|SKIP): Test([A-Za-z0-9]+).*/  \1  \2/p' "$log"
    count_results "$(grep -c '^--- PASS: ' "$log")" "$(grep -c '^--- FAIL: ' "$log")" "$status" "$log"
}

# The Go SDK wants a newer Go than some systems have, and there is no way to it without.
has_go_for_sdk() {
    local version
    version=$(go version 2>/dev/null | sed -n -E 's/^go version go1\.([0-9]+).*/\1/p')
    [ "${version:-0}" -ge 25 ]
}

# Centrifugo's SDKs, each against the example server.
run_sdks() {
    local server verbose=1
    if ! has_go_for_sdk; then
        say "conformance/centrifugo: left out, as there is no Go 1.25 or later here"
        return
    fi
    server="SRL_CENTRIFUGO=$(example_program "$1" centrifugo)"
    say "conformance/centrifugo: SDKs from their registries"
    prepare_sdks || return
    say "conformance/centrifugo/js against $1"
    run_node centrifugo/js "$1" "$server" "SRL_PYTHON=$build_root/build-sdks/python/bin/python" \
        "SRL_GO_PEER=$build_root/build-sdks/go-peer"
    say "conformance/centrifugo/js against $1, on Redis"
    verbose=0
    run_node centrifugo/js "$1" "$server" SRL_ON_REDIS=1 "SRL_PYTHON=$build_root/build-sdks/python/bin/python" \
        "SRL_GO_PEER=$build_root/build-sdks/go-peer"
    say "conformance/centrifugo/python against $1"
    run_python_sdk "$1" "$server"
    say "conformance/centrifugo/go against $1"
    run_go_sdk "$1" "$server"
}

run_conformance() {
    local suite verbose=0
    for suite in ws browser; do
        [ -f "$root/tests/conformance/$suite/package.json" ] || continue
        if [ "$suite" = browser ] && [ "${SRL_SKIP_BROWSER:-0}" = 1 ]; then
            say "conformance/browser is left out: SRL_SKIP_BROWSER=1"
            continue
        fi
        say "conformance/$suite against $1"
        run_node "$suite" "$1" "SRL_CHAT=$(example_program "$1" chat)"
    done
    if [ "${SRL_SKIP_SDKS:-0}" = 1 ]; then
        say "conformance/centrifugo is left out: SRL_SKIP_SDKS=1"
    else
        run_sdks "$1"
    fi
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
        if [ "$1" = "${compilers%% *}" ]; then
            run_ctest "build-$1-sanitize"
            run_conformance "build-$1-sanitize"
        else
            run_ctest "build-$1-sanitize" -E integration/cluster_
        fi
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
        [ "${SRL_SKIP_SDKS:-0}" = 1 ] || tools="$tools sdks"
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
