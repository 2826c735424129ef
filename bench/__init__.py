"""How fast barback is, beside its peers."""
