#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails if a file but the guard calls oneDNN: what it throws would end the process. Argument: the cpu backend's archive.
set -eu
calls=$(nm -A "$1" 2>/dev/null | grep ' U dnnl_' || true)
[ -n "$calls" ] || { echo "no call of oneDNN at all: is $1 the backend?" >&2; exit 1; }
unguarded=$(echo "$calls" | grep -v 'onednn_guard' || true)
[ -z "$unguarded" ] || { echo "these calls have no guard (backends/cpu/onednn_guard.h):" >&2; echo "$unguarded" >&2; exit 1; }
