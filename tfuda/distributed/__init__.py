"""Devices and hosts that a run computes on."""
