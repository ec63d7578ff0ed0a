# Sourced by scripts that need tools: say what is missing, install it on Debian and its kin, or stop with one line.
#
#     need_command COMMAND PACKAGE...   need_file FILE PACKAGE...   need_package PACKAGE...   install_missing

missing_packages=""

need_command() {
    command -v "$1" >/dev/null 2>&1 || need_package "${@:2}"
}

need_file() {
    [ -e "$1" ] || need_package "${@:2}"
}

need_package() {
    missing_packages="$missing_packages $*"
}

install_missing() {
    local packages as_root="" log
    packages=$(printf '%s\n' $missing_packages | sort -u | tr '\n' ' ')
    packages=${packages% }
    missing_packages=""
    [ -n "$packages" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "error: missing: $packages (names of Debian packages; there is no apt-get here to install them)" >&2
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null 2>&1 || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
            echo "error: missing: $packages; as root: apt-get install $packages" >&2
            return 1
        fi
        as_root=sudo
    fi
    echo "installing with apt-get: $packages"
    log=$(mktemp)
    if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y --no-install-recommends $packages; } >"$log" 2>&1; then
        echo "error: apt-get could not install: $packages ($(grep -E '^E:' "$log" | head -n 1))" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}
