"""The gate itself is put to the proof: it finds every saboteur, and calls the reference operator no worse than itself.

`python -m ci.gates`. Every gate is a real `harness gate`, in a process and with an `--out` of its own.
"""
