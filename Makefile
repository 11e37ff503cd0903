# make run     start the dashboard on this machine
# make test    run every test
#
# Everything is installed into .venv; nothing else on this machine changes.

PYTHON ?= python3
PORT ?= 8501
UV ?= uv

run: setup
	@.venv/bin/python -c 'import socket, sys; socket.create_server(("127.0.0.1", int(sys.argv[1])))' "$(PORT)" 2>/dev/null || \
		{ echo "Port $(PORT) cannot be used; another program may hold it. Try: make run PORT=8600" >&2; exit 1; }
	@echo "GIA Lab is at http://127.0.0.1:$(PORT) (Ctrl-C ends it)"
	@exec .venv/bin/python -m ui --server.port $(PORT)

test: setup
	@.venv/bin/python -m pytest

check: setup
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m mypy

setup: .venv/installed

# The stamp is written last, so that an installation that was interrupted is taken up again.
.venv/installed: requirements.txt
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "GIA Lab needs Python 3.11 or newer; there is no $(PYTHON) here. Try: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "GIA Lab needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12" >&2; exit 1; }
	@test -x .venv/bin/pip || "$(PYTHON)" -m venv .venv
	@echo "Installing what requirements.txt lists into .venv; the first time takes some minutes."
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch .venv/installed

# Pins what requirements.in asks for, and all that it needs in turn, for every platform and Python at once.
lock:
	@command -v "$(UV)" >/dev/null || { echo "make lock needs uv. Try: pip install uv" >&2; exit 1; }
	$(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --no-emit-index-url \
		--custom-compile-command "make lock" --output-file requirements.txt requirements.in

.PHONY: run test check setup lock
