"""The screens: each draws what the core knows, and tells it what was touched."""
