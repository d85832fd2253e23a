// Nothing to do while the screen is open.
