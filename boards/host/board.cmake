# SPDX-License-Identifier: Apache-2.0
# This machine: its own compiler and libraries.
