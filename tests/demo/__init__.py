"""The demo: Wheelwarden's main job told as a story on a real cluster. Run by `make demo`."""
