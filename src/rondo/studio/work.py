"""What the processes of `rondo.studio.child` have imported before they start."""

from __future__ import annotations

import torch._dynamo  # noqa: F401  # the first optimiser imports it, which takes more than a second

import rondo
import rondo.studio.classroom_work
import rondo.studio.course_work
import rondo.studio.work_cells
import rondo.studio.work_compare
import rondo.studio.work_text
import rondo.studio.work_trials  # noqa: F401
