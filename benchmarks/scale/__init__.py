"""How time and memory grow: large sparse systems, maps known by their products, and small ones."""
