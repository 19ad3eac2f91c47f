"""Studies: many runs of one thing, whose records outlive a run that is killed.

``run_study`` runs the cases of some *work* and keeps a *record* of each. It knows nothing of what
is run: dies of a build, points of an exploration. ``docs/how-to/study.md`` has an example.
``mapper.study.sweep`` reads what a user asks for, ``mapper.study.statistics`` says what was found.
"""

from mapper.study.case import Case, Record, Study
from mapper.study.runner import Running, Studied, open_study, run_study, study_of
from mapper.study.schedulers import SCHEDULERS
from mapper.study.store import RECORDS, read_records
from mapper.study.work import CaseError, Run, Work

__all__ = [
    "RECORDS",
    "SCHEDULERS",
    "Case",
    "CaseError",
    "Record",
    "Run",
    "Running",
    "Studied",
    "Study",
    "Work",
    "open_study",
    "read_records",
    "run_study",
    "study_of",
]
