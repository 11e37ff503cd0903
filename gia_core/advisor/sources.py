"""Where the rules are from."""

from __future__ import annotations

SURVEY = "Guo et al., TPAMI, arXiv 2503.11514 (survey)"
OURS = "this project's own judgment; no published rule"
DLG = "Zhu et al., NeurIPS 2019"
INVERTING_GRADIENTS = "Geiping et al., NeurIPS 2020"
LOCAL_TRAINING = "Dimitrov et al., TMLR 2022"
EVALUATED = "Huang et al., NeurIPS 2021"
ADAPTIVE = "Balunovic et al., ICLR 2022"
COMPRESSED = "Yue et al., USENIX Security 2023"
DP = "Abadi et al., CCS 2016"
MASKS = "Bonawitz et al., CCS 2017"
INCONSISTENT = "Pasquini et al., CCS 2022"
