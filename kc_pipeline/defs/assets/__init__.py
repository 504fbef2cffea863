"""The assets, a module per layer."""
