"""The measurements behind `make bench`: ratios side by side in one run, on whatever machine this is."""
