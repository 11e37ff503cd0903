"""Attacks that compute the images instead of searching for them (ANA-GIA), one file per publication."""
