"""Clusters of real kubelets, for real. Needed: Docker's engine, and a node image, assembled or to be pulled."""
