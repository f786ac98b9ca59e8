# SPDX-License-Identifier: Apache-2.0
"""Guests in QEMU that run Debian's own kernel and programs for a board, with this tree's Baton (docs/rigs.md)."""
