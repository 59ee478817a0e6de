"""Runs as pages to read: one HTML file each, which needs no other file and asks nobody for anything.

page    one run
index   a folder of runs
"""
