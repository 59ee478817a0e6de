"""Write the results of runs as pages and tables.

page    one run, as an HTML file that needs no other file and no network
index   a folder of runs, likewise
"""
