"""GEN-GIA: attacks that search for images among those that a generator can draw."""
