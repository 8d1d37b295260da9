"""Keep the table of aggregate functions: for each its meaning, its types and its state.

An entry says how a group's value is computed three ways, all held to the same edge vectors: by
Polars over a whole group (`lazy`), and by columns of state indexed by slot (`columns`, `update`,
`output`). Sums of integers and decimals are exact in 128 bits; sums of floats are double-double.

Not here: grouping and retraction (operators/), kernels (columnar/accumulate.py).
"""
