"""What can be one of several: one frozen row per choice, which menus, flags, titles, checks and dispatch read."""
