"""The gallery before an audience: one claim a screen."""

from ui import presenter, session

presenter.draw()
session.keeper().want_runner()
