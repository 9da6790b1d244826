"""What the processes of `rondo.studio.child` have imported before they start."""

from __future__ import annotations

import rondo  # noqa: F401
