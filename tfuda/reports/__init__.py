"""Pictures and pages of what runs have shown."""
