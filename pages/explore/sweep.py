"""Many runs from one setup: one or two things varied, as a curve or a heat map that fills as workers finish."""

from ui import sweep_choice, sweep_start, sweep_view

sweep_choice.arrive()
sweep = sweep_choice.draw()
if sweep is not None and sweep.spec is not None:
    sweep_view.follow(sweep)
sweep_start.draw(first=sweep is None)
sweep_choice.write(sweep)
