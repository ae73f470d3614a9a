"""Applications of thermodynamic linear algebra, built on the public names of ``thermolinalg`` alone."""
