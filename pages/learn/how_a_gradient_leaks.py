"""Lesson 1: a picture read off one neuron's gradient, then one that a search finds."""

from ui.lessons import matching_figure, neuron_figures, page

with page.lesson("How a gradient leaks"):
    picture = neuron_figures.one_picture()
    neuron_figures.several_pictures(picture)
    neuron_figures.noise(picture)
    matching_figure.draw(picture)
