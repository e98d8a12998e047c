"""Printed things that scanners read: labels on parcels, and cards that switch what scans mean."""
