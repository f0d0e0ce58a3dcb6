"""Faces as data: reading them, drawing them, and holding them. No torch here."""
