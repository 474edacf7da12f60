# SPDX-License-Identifier: Apache-2.0
"""One module a family of image files: each opens a file, tells what it holds, and decodes it when asked."""
