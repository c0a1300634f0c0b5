"""SQL servers in containers, for real. Needed: Docker, the pinned images or a way to them, and testcontainers."""
