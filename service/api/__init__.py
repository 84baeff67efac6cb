"""The HTTP interface: one module per noun, one table of routes."""
