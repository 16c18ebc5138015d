"""A folder that can be pushed to a Hugging Face Space as it is: what goes into it, for which hardware, and whether it would start there."""
