"""The whole way, as functions: what the command line calls, and what `from eighteen import …` gives.

Each composes the stages below it. What needs torch is imported where it is used: an audit neither waits for
it nor pays its memory.
"""

from eighteen.api.artifacts import evaluate_artifact
from eighteen.api.cleaning import clean, resume_clean
from eighteen.api.collecting import screen
from eighteen.api.data import audit, augment, check_groups_file, read, split, write_groups
from eighteen.api.exports import export
from eighteen.api.relatives import compare_models, compares_models, resume_compare_models
from eighteen.api.reviewing import review, serve_review
from eighteen.api.runs import cost, demo, evaluate, explain, predict, report, resume, soup, train
from eighteen.api.studies import compare, compare_recipes, crossval, resume_compare, resume_crossval
from eighteen.api.tuning import climb, join_tune, resume_climb, resume_tune, tune

__all__ = [
    "audit",
    "augment",
    "check_groups_file",
    "clean",
    "climb",
    "compare",
    "compare_models",
    "compare_recipes",
    "compares_models",
    "cost",
    "crossval",
    "demo",
    "evaluate",
    "evaluate_artifact",
    "explain",
    "export",
    "join_tune",
    "predict",
    "read",
    "report",
    "resume",
    "resume_clean",
    "resume_climb",
    "resume_compare",
    "resume_compare_models",
    "resume_crossval",
    "resume_tune",
    "review",
    "screen",
    "serve_review",
    "soup",
    "split",
    "train",
    "tune",
    "write_groups",
]
