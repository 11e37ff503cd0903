"""Lesson 2: batch size, resolution, trained weights and activation, and what the theory says of them."""

from ui.lessons import hardness, hardness_theory, page

with page.lesson("What makes it hard"):
    hardness.draw()
    hardness_theory.draw()
