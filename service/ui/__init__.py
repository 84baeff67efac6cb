"""The audit UI: pages for people, rendered on the server and working without JavaScript."""
