"""Where results are sent or written in other people's formats."""
