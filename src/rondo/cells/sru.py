"""Simple recurrent unit."""

from rondo.cell import Cell, State, sigmoid


class SRU(Cell):
    """Simple recurrent unit: every product reads the input, and a highway mixes the input into the output,
    so the input must be as wide as the memory (Lei et al. 2018, arXiv:1709.02755, eq. 1-4; its v is w here)."""

    citation = """
        @inproceedings{lei2018,
          author = {Lei, Tao and Zhang, Yu and Wang, Sida I. and Dai, Hui and Artzi, Yoav},
          title = {Simple Recurrent Units for Highly Parallelizable Recurrence},
          booktitle = {EMNLP}, pages = {4470--4481}, year = {2018}, eprint = {1709.02755}, archivePrefix = {arXiv}
        }
    """
    states = {"c": "hidden"}

    def step(self, x, s):
        f = sigmoid(self.W_f @ x + self.w_f * s.c + self.b_f)  # forget gate
        r = sigmoid(self.W_r @ x + self.w_r * s.c + self.b_r)  # highway (reset) gate
        c = f * s.c + (1 - f) * (self.W @ x)
        return State(c=c), r * c + (1 - r) * x
