"""What the operator of a ledger runs: keys, the one writer of each log, the vault, look-ups."""
