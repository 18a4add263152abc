"""Never comes back."""

import time

while True:
    time.sleep(0.05)
