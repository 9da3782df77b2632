"""What explain is made of, one file per question."""
