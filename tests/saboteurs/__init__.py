"""Every checker is proven on an operator that is wrong in one known way. Real clusters: `tox run -e saboteurs`."""
