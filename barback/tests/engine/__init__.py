"""The engine's own rooms, one file each, on a real Valkey."""
