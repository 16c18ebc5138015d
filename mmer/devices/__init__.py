"""Where models compute: what this machine has, which of it is chosen, and what is done when a device fails."""
