"""What made Studio Mini: drawings, training, evaluation and export of the small model in resources/mini.

Nothing here is used while the studio runs; `main.py mini ...` (studio.mini.cli) is its door.
"""
