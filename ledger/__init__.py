"""The decision ledger: what was decided, kept so that anyone can check it.

Imports nothing, so that a verifier stays light.
"""
