"""Studies of many runs: grids, searches, rounds, tables and claims."""
