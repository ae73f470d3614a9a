"""Everyone who can simulate the window, behind one contract; each peer's file shows how it is called at its best."""
