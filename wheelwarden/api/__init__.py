"""What every part speaks: names, types, conditions, errors. Pure; imports nothing else of ours."""
