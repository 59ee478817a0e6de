"""Choose the devices and hosts that a run uses."""
