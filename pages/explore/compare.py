"""Two to four runs side by side: started together, or picked from the history; one slider moves all of them."""

from ui import compare_choice, compare_start, compare_view, gallery

compare_choice.arrive()
runs = compare_choice.draw()
if runs:
    gallery.above(runs)
    compare_view.follow(runs)
compare_start.draw(first=len(runs) < 2)
compare_choice.write(runs)
