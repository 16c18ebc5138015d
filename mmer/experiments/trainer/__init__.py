"""Many runs of one model, trained together."""
