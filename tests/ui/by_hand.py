"""A script for a page whose clip is not to be analysed before the test says so: the switch, as a visitor left it."""

BY_HAND = "localStorage.setItem('mmer-at-once', 'off');"
