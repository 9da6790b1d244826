"""The program that `estimator.py` starts: frames in, points out. It runs with MediaPipe's own packages.

python -I estimate.py FOLDER HIGH WIDE: reads frames of HIGH x WIDE x 3 bytes, writes 33 pairs of float32, x and y in
pixels, for each; NaN where nobody is seen.
"""

import os
import sys


def main(folder: str, high: int, wide: int) -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the packages print is no answer
    sys.path.insert(0, folder)
    import mediapipe  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import numpy as np

    size = high * wide * 3
    with mediapipe.solutions.pose.Pose(model_complexity=1) as pose:
        while len(data := sys.stdin.buffer.read(size)) == size:
            seen = pose.process(np.frombuffer(data, np.uint8).reshape(high, wide, 3)).pose_landmarks
            points = [(p.x * wide, p.y * high) for p in seen.landmark] if seen else [(np.nan, np.nan)] * 33
            out.write(np.asarray(points, dtype=np.float32).tobytes())
            out.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
