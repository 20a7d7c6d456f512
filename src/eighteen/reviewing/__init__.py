"""A local page on which a person looks at suspect pictures and decides about each."""
