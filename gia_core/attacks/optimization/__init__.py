"""Attacks that search for images by optimization (OP-GIA), one file per publication."""
