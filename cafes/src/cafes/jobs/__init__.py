"""The jobs of the service: one file each, with its payload, its options and its handler."""
