"""Writes Vega, Vega-Lite and vega-embed as one script, from the package vl-convert-python.   vega_bundle.py OUT.js"""
import sys

import vl_convert

script = vl_convert.javascript_bundle(vl_version="6.4")
# Inside <script>, these would end it; inside JavaScript's strings, the backslash means nothing.
for ending in ("</script", "<!--"):
    script = script.replace(ending, ending[0] + "\\" + ending[1:])
with open(sys.argv[1], "w", encoding="utf-8") as out:
    out.write(script)
