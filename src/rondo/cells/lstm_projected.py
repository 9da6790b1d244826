"""LSTM with a recurrent projection."""

from rondo.cell import Cell, State, sigmoid, tanh


class LSTMProjected(Cell):
    """Long short-term memory whose output is a projection P (o * tanh(c)) of size `proj`
    (Sak et al. 2014, arXiv:1402.1128, eq. 7-12 without peepholes; the form of torch.nn.LSTM with proj_size)."""

    citation = r"""
        @misc{sak2014,
          author = {Sak, Ha{\c{s}}im and Senior, Andrew and Beaufays, Fran{\c{c}}oise},
          title = {Long Short-Term Memory Based Recurrent Neural Network Architectures for Large Vocabulary Speech
            Recognition},
          year = {2014}, eprint = {1402.1128}, archivePrefix = {arXiv}
        }
    """
    states = {"h": "proj", "c": "hidden"}
    sizes = {"proj": "hidden"}
    init = {"b_f": 1.0}

    def step(self, x, s):
        i = sigmoid(self.W_i @ x + self.U_i @ s.h + self.b_i)  # input gate
        f = sigmoid(self.W_f @ x + self.U_f @ s.h + self.b_f)  # forget gate
        g = tanh(self.W_g @ x + self.U_g @ s.h + self.b_g)  # candidate
        o = sigmoid(self.W_o @ x + self.U_o @ s.h + self.b_o)  # output gate
        c = f * s.c + i * g
        return State(h=self.P @ (o * tanh(c)), c=c)
