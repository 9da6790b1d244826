"""GRU as first published: reset before the product."""

from rondo.cell import Cell, State, sigmoid, tanh


class GRUCho(Cell):
    """Gated recurrent unit, reset applied before the product (Cho et al. 2014, arXiv:1406.1078, eq. 5-8).

    The lecture's full GRU: u admits the candidate (Cho's z keeps the old state: u = 1 - z).
    """

    citation = r"""
        @inproceedings{cho2014,
          author = {Cho, Kyunghyun and van Merri{\"e}nboer, Bart and Gulcehre, Caglar and Bahdanau, Dzmitry and
            Bougares, Fethi and Schwenk, Holger and Bengio, Yoshua},
          title = {Learning Phrase Representations using {RNN} Encoder--Decoder for Statistical Machine Translation},
          booktitle = {EMNLP}, pages = {1724--1734}, year = {2014}, eprint = {1406.1078}, archivePrefix = {arXiv}
        }
    """

    def step(self, x, s):
        r = sigmoid(self.W_r @ x + self.U_r @ s.h + self.b_r)  # relevance (reset) gate
        u = sigmoid(self.W_u @ x + self.U_u @ s.h + self.b_u)  # update gate
        c = tanh(self.W_c @ x + self.U_c @ (r * s.h) + self.b_c)  # candidate
        return State(h=u * c + (1 - u) * s.h)
