"""What other programs wrote into their pictures, read without running any of it. No Qt, no torch; knows no gallery."""
