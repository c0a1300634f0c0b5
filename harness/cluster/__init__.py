"""Clusters: real control planes, simulated nodes, and everything between the API server and them."""
