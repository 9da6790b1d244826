"""Speed and memory of Rondo beside torch.nn: `python -m benchmarks.run`, correctness first."""
