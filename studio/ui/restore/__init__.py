"""The list that is shown before the settings of a picture come into the panels, and what a verification found."""
