"""What people noted and what can be computed of the whole table: further columns, and findings each of which is a filter."""
