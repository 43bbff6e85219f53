"""Files and pipes as blocks of numbers. Nothing is computed here."""
