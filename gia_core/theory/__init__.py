"""The survey's Theorem 1 and Proposition 1 (Guo et al., arXiv 2503.11514) as experiments that can fail.

``experiments`` are the sweeps, ``levels`` what came out of one, ``fits`` and ``verdicts`` what may be said of it.
``bound`` is what can be derived, ``rounds``, ``gradients`` and ``neighbors`` measure what the theory is made of, and
``recorded`` holds the outcome that comes with GIA Lab.
"""
