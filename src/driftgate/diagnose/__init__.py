"""What is asked after a red cell: how to repeat it, and whether it is real."""
