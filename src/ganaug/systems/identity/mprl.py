# SPDX-License-Identifier: Apache-2.0
"""MpRL: unlabelled generated images with a label spread over all identities by the rank of their likelihood.

Yan Huang, Jingsong Xu, Qiang Wu, Zhedong Zheng, Zhaoxiang Zhang, Jian Zhang, "Multi-pseudo Regularized Label for
Generated Data in Person Re-Identification", IEEE TIP 2019, arXiv 1801.06742.

Images as in LSRO. The identity that the network finds r-th least likely for an image gets 2 r / (K (K + 1)) of its
label, K for the likeliest. Here as in its schedule dMpRL-II: ranks of the network in training, nothing
before epoch 21 of 50 and a tenth of the weight after it.

Labels: rank_late. Others by a Recipe: rank (dMpRL-I: from the start, full weight), rank_static (sMpRL: ranks of a model
of the real images, fixed), rank_as_released (the released code's mistake: the sort order in place of the rank).
Deviations: the learner is the study's, not the paper's ResNet-50; the DCGAN is `dcgan`, whose generator takes one step
for each of its critic's, where the paper's takes two.
"""

from __future__ import annotations

from ganaug.core.card import Card, Recipe

CARD = Card(
    id="mprl",
    kind="recipe",
    title="MpRL: generated images with labels by rank",
    paper="Multi-pseudo Regularized Label for Generated Data in Person Re-Identification",
    arxiv="1801.06742",
    year=2019,
    lists=("000",),
    task=("reid", "classification"),
    labels="rank_late",
    deviations=(
        "the learner is the study's",
        "the generator of the DCGAN takes one step for each of its critic's, the paper's two",
    ),
    shows="labels sum to 1 and rise with the predicted probability; the released code's do not.",
)
RECIPE = Recipe(system="dcgan", plan="x2", labels="rank_late", share=None)
