"""A dataset on this computer: what `invoke run-local` does, with the machine's own code and without AWS."""
