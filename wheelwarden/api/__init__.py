"""The shared vocabulary: names, types, conditions and errors. Pure; imports no other package of ours."""
