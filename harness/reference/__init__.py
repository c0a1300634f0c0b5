"""The reference operator: small, correct, asyncio; it proves that the contract can be kept.

`python -m harness.reference operator inventory …` takes upstream's flags (contract.md part A) and keeps part B. Every
scenario must pass on it; a scenario that fails on it is a harness defect. With `--defect NAME` it becomes a saboteur
with exactly one known defect (`harness.reference.defects`), on which a checker is proven.

An operator and its oracle must not share code: of the harness, only `harness.errors` and `harness.operator.proto` are
imported here.

How it is put together::

    reflector x2 (nodes, pods) --> state --(dirty node names)--> publisher --> snapshot --> rest, rpc
    discovery (one task per node: pod, hardware) --> state
    registry poll, config poll ---------------------> state
    labels <-- state        visibility (is the API server seen?) --> health
"""
