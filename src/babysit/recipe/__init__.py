"""`babysit train`: the lecture's whole procedure, calling the parts in the lecture's order."""
