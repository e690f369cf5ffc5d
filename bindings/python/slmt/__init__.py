# SPDX-License-Identifier: Apache-2.0
"""libslmt from Python."""
