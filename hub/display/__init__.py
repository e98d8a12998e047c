"""Screens without a login: their own credential, and what is said to them over topics."""
