"""Inputs for any model, made from the model itself: its processor where it has one, else its configuration."""
