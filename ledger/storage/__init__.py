"""The databases: the log with its registry, and the vault, on SQLite or PostgreSQL."""
