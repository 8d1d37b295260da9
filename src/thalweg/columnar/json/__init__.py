"""Read JSON text into columns with compiled kernels."""
