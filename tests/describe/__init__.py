"""The model's figures against those of Kubernetes itself, on a real API server. `tox run -e describe`."""
