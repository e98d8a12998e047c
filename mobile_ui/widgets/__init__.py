"""Widgets of our own; everything that is drawn or touched."""
