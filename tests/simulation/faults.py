"""All kinds of faults, by name."""

from tests.simulation import faults_of_devices, faults_of_hub, faults_of_lines, steps

BY_PLACE = (faults_of_lines, faults_of_devices, faults_of_hub)
FAULTS = steps.FAULTS
"""Filled by the modules above."""
