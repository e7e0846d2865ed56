"""Documents, blocks, neutral texts, filters, splits, files: the pairs that a style is trained on, over one ledger."""
