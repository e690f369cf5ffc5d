# SPDX-License-Identifier: Apache-2.0
"""Lets the tests import the package from the tree and the modules beside them."""

import sys
from pathlib import Path

for folder in (Path(__file__).parent, Path(__file__).parent.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
