"""Where vehicles are: the map page, and positions and tracks for programs."""
