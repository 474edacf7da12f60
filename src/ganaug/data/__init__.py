# SPDX-License-Identifier: Apache-2.0
"""What a labelled image set is: tables of images, batches, training views, readers, writers and splits."""
