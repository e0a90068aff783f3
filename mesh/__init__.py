"""The node: its rules (`protocol`), what carries them out (`runtime`), its workers (`agents`), its door (`api`)."""
