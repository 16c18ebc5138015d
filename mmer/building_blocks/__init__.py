"""What the fusion models are built of beside PyTorch's modules: nothing here is in the paper."""
