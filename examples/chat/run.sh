#!/usr/bin/env bash
# Builds the chat and runs it: examples/chat/run.sh [--port N] [--redis URL] [other options of the program, see --help]
set -eu -o pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../common/build_and_run.sh"
build_and_run example_chat chat "$@"
