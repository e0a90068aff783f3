"""Every performance claim of zenmesh: `python -m benchmarks`, ratios against baselines measured in the same run."""
