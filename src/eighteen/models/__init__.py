"""The network on one page, its relatives by name, and their weights."""
