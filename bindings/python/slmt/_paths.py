# SPDX-License-Identifier: Apache-2.0
"""Paths as C takes them."""

import os


def encoded(path: "str | bytes | os.PathLike[str] | os.PathLike[bytes]") -> bytes:
    """The path's bytes. C ends a text at its first NUL: a path that has one would be that of another file."""
    raw = os.fsencode(path)
    if b"\0" in raw:
        raise ValueError(f"a path holds a NUL: {path!r}")
    return raw
