"""Independently recurrent network."""

from rondo.cell import Cell, State, relu


class IndRNN(Cell):
    """Independently recurrent network: each unit sees only its own past
    (Li et al. 2018, arXiv:1803.04831, sec. 3).

    h<t> = relu(W x<t> + w * h<t-1> + b)
    """

    citation = """
        @inproceedings{li2018,
          author = {Li, Shuai and Li, Wanqing and Cook, Chris and Zhu, Ce and Gao, Yanbo},
          title = {Independently Recurrent Neural Network ({IndRNN}): Building A Longer and Deeper {RNN}},
          booktitle = {CVPR}, pages = {5457--5466}, year = {2018}, eprint = {1803.04831}, archivePrefix = {arXiv}
        }
    """

    def step(self, x, s):
        return State(h=relu(self.W @ x + self.w * s.h + self.b))
