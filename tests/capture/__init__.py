"""A cluster with an operator is captured for real, and made again."""
