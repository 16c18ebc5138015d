"""Speech or typed text -> words as they are said."""
