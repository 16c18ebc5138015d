"""What the page itself says to a person, in one place: a translation replaces these modules, one for each tab.

Constants are said as they are; functions put values in their place and return plain text, or inline HTML where they say so. Values that
a visitor or a file chose are escaped by whoever shows the text. What an analysis, an export or an error says comes from where it is found.
"""
