"""What a worker tells of itself while it works: that it lives, what it runs, what it counted, what its app declares."""
