"""Which layer, with which weights: from options, configs and files."""
