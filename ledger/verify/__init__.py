"""Checking a log, a receipt or an opening without trusting whoever keeps the log.

Needs `cryptography`, `rfc8785` and the standard library, so that a regulator can
install it alone and run it offline. Start with `python -m ledger.verify --help`.
"""
