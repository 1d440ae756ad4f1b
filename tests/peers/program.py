"""The program under test, as these tests call it."""

import os
import subprocess
import sys


PROGRAM = os.environ.get("PALIMPSEST_PROGRAM", "palimpsest")


def palimpsest(*arguments, **options):
    """Runs `palimpsest ARGUMENTS` and returns what it printed; its stderr is shown where it fails."""
    command = [PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def skip(reason):
    """Ends the whole test file as skipped (77 is what CTest takes for it)."""
    print(f"skipped: {reason}")
    sys.exit(77)
