"""Renderers: what came out of a campaign, for people and for programs. They judge nothing."""
