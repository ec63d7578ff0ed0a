#!/usr/bin/env bash
# run.sh SOURCE WORK CC CXX PKG_CONFIG PYTHON CMAKE: install into WORK and use what was installed.
set -eu -o pipefail

source_dir=$1 work=$2 cc=$3 cxx=$4 pkg_config=$5 python=$6 cmake=$7
here=$(cd "$(dirname "$0")" && pwd)
unset CFLAGS CXXFLAGS LDFLAGS LD_LIBRARY_PATH PKG_CONFIG_PATH DESTDIR CMAKE_PREFIX_PATH

step() {
    echo "-- $*"
}

die() {
    echo "error: $*" >&2
    exit 1
}

quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log" && die "$*"; }
}

build() {
    local dir=$1
    shift
    quietly "$cmake" "$@" -B "$work/$dir" -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx"
    quietly "$cmake" --build "$work/$dir" -j 2
}

rm -rf "$work"
mkdir -p "$work"

step "a plain build, installed into one folder and moved to another"
build library -S "$source_dir" -DCMAKE_BUILD_TYPE=Release -DSTREAMRELAY_BUILD_TESTS=OFF \
    -DSTREAMRELAY_BUILD_EXAMPLES=OFF -DSTREAMRELAY_BUILD_BENCH=OFF -DSTREAMRELAY_WERROR=ON \
    -DCMAKE_INSTALL_LIBDIR=lib
quietly "$cmake" --install "$work/library" --prefix "$work/first"
mv "$work/first" "$work/prefix"
prefix=$work/prefix

step "what is there"
abi=$(sed -n 's/^#define SRL_ABI_VERSION \([0-9]*\)$/\1/p' "$source_dir/include/streamrelay/version.h")
version=$(sed -n 's/^#define SRL_VERSION *"\(.*\)"$/\1/p' "$source_dir/include/streamrelay/version.h")
{
    (cd "$source_dir" && ls include/streamrelay/*.h)
    printf 'lib/%s\n' libstreamrelay.a libstreamrelay.so "libstreamrelay.so.$abi" "libstreamrelay.so.$version" \
        pkgconfig/streamrelay.pc
    printf 'lib/cmake/streamrelay/streamrelay-%s.cmake\n' config config-version shared shared-release static \
        static-release
} | sort >"$work/wanted"
(cd "$prefix" && find . ! -type d | sed 's,^\./,,' | sort) >"$work/found"
diff "$work/wanted" "$work/found" || die "the installed tree is not what it should be"
readelf -d "$prefix/lib/libstreamrelay.so" >"$work/dynamic"
grep -q "SONAME.*\[libstreamrelay\.so\.$abi\]" "$work/dynamic" || die "the SONAME is wrong"
needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' "$work/dynamic" | grep -v -E '^(libc|libpthread)\.so' || true)
[ -z "$needed" ] || die "the library needs $needed"
grep -r -l -F "$source_dir" "$prefix/lib/cmake" "$prefix/lib/pkgconfig" && die "the source folder is written there"

step "pkg-config"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
[ "$("$pkg_config" --modversion streamrelay)" = "$version" ] || die "streamrelay.pc has another version"
strict="-Wall -Wextra -Werror -pedantic"
cp "$here/consumer/main.c" "$work/main.c"
cp "$here/consumer/main.c" "$work/main.cpp"
for mode in shared static; do
    case $mode in
    shared) options="" link="" ;;
    static) options="--static" link="-static" ;;
    esac
    flags=$("$pkg_config" $options --cflags streamrelay)
    libs=$("$pkg_config" $options --libs streamrelay)
    quietly "$cc" -std=c99 $strict $flags "$work/main.c" -o "$work/pc_c_$mode" $link $libs
    quietly "$cxx" -std=c++17 $strict $flags "$work/main.cpp" -o "$work/pc_cpp_$mode" $link $libs
    for language in c cpp; do
        echo "   $language $mode"
        LD_LIBRARY_PATH=$([ $mode = static ] || echo "$prefix/lib") quietly "$work/pc_${language}_$mode"
    done
done

step "find_package"
build find_package -S "$here/consumer/find_package" -DCMAKE_PREFIX_PATH="$prefix"
for program in c_shared c_static cpp_shared cpp_static; do
    echo "   $program"
    quietly "$work/find_package/$program"
done
readelf -d "$work/find_package/c_shared" | grep -q libstreamrelay || die "c_shared is not linked with the shared library"
readelf -d "$work/find_package/c_static" | grep libstreamrelay && die "c_static is linked with the shared library"

step "add_subdirectory"
build add_subdirectory -S "$here/consumer/add_subdirectory" -DSTREAMRELAY_SOURCE_DIR="$source_dir"
for program in c_streamrelay c_static cpp_streamrelay cpp_static; do
    echo "   $program"
    quietly "$work/add_subdirectory/$program"
done

step "Python over ctypes and asyncio"
quietly "$python" "$here/python/test_relay.py" "$prefix/lib/libstreamrelay.so"
echo "all of it works"
