"""Drafts of manifests from what a platform knows of a training run, so that it is not retyped."""
