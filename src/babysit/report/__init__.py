"""What a person reads of a run: `report.html` with its pictures, and the summary on the terminal."""
