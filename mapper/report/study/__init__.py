"""Charts and tables of studies: how runs are distributed, what a sweep does, what costs what."""
