"""The layer as data: its settings, its geometry, and the catalogues of functions it is made of."""
