"""From when on an image counts as recovered."""

RECOVERED = 19.0
"""dB of PSNR from which the literature calls an image recovered (Dimitrov et al., TMLR 2022)."""
