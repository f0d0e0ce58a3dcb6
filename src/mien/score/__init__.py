"""Very many images -> Parquet files, on daft: here, or on a Ray cluster."""
