"""The commands of `decision-ledger`, one module per noun."""
