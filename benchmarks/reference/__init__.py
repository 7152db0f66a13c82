"""What the originals do, written anew from how they behave: slow in the same places, equal in what they compute."""
