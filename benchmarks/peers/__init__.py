"""Compare Thalweg with other engines on the same Parquet files; `make peers`, docs/peers.md says how."""
