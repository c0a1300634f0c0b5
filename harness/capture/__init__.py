"""From a user's cluster to a plan: what is read, what is kept of it, whether it is true, and how it is made again."""
