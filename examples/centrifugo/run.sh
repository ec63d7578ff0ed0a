#!/usr/bin/env bash
# Builds the server and runs it: examples/centrifugo/run.sh [--port N] [--insecure] [other options, see --help]
set -eu -o pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../common/build_and_run.sh"
build_and_run example_centrifugo centrifugo "$@"
