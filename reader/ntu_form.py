"""What is fixed in NTU RGB+D's text form, for both ways of reading it."""

NUM_JOINTS = 25
SLOTS = 4  # the original's buffer: with fewer bodies, empty slots take part in the choice of persons
PADDING = b"\n" * 64  # behind a file's text: empty lines, at which all compiled reading stops before it leaves them
