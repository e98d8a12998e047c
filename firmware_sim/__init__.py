"""Simulated scanners, probes and receivers that speak the real serial protocols over pseudo-terminals."""
