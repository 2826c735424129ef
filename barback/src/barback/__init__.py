"""Background jobs for Python that speak BullMQ."""
