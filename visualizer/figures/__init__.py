"""What each figure shows, as plain arrays and rows: one module and one data function per figure, no drawing.

Both the papers' files (`visualizer/paper`) and the report are drawn from these. Letters: N clips, K classes, V joints.
Nothing here is NaN: what cannot be told is None, or has no row. Figures are over clips whose class is known.
"""
