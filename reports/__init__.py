"""Documents from values: letters to people, reports to auditors. No database, no request."""
