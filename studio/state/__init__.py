"""What the window shows and wishes: QtCore and QtGui objects, never widgets. Is handed engine and gallery."""
