"""Pictures and pages of the results of runs."""
