"""A copy of everything that is held about one person (GDPR Art. 15), as one file."""
