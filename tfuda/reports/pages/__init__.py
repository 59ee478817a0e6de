"""What runs have shown, as pages and tables.

page    one run, as an HTML file that needs no other and asks nobody for anything
index   a folder of runs, likewise
"""
