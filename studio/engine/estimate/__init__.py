"""How much memory a picture will take, told from headers and configs before anything is loaded. No torch."""
