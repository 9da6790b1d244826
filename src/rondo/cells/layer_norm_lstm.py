"""LSTM with layer normalisation."""

from rondo.cell import Cell, State, norm, sigmoid, tanh


class LayerNormLSTM(Cell):
    """Layer-normalised long short-term memory (Ba et al. 2016, arXiv:1607.06450, eq. 20-22).

    Each gate normalises its two products on their own (gains g_x*, g_h*); the memory is normalised before the
    output's tanh (gain g_c, bias b_c). The biases of the two norms add up to one, the gate's b.
    """

    citation = """
        @misc{ba2016,
          author = {Ba, Jimmy Lei and Kiros, Jamie Ryan and Hinton, Geoffrey E.},
          title = {Layer Normalization},
          year = {2016}, eprint = {1607.06450}, archivePrefix = {arXiv}
        }
    """
    states = {"h": "hidden", "c": "hidden"}
    init = {"b_f": 1.0}

    def step(self, x, s):
        i = sigmoid(self.g_xi * norm(self.W_i @ x) + self.g_hi * norm(self.U_i @ s.h) + self.b_i)  # input gate
        f = sigmoid(self.g_xf * norm(self.W_f @ x) + self.g_hf * norm(self.U_f @ s.h) + self.b_f)  # forget gate
        g = tanh(self.g_xg * norm(self.W_g @ x) + self.g_hg * norm(self.U_g @ s.h) + self.b_g)  # candidate
        o = sigmoid(self.g_xo * norm(self.W_o @ x) + self.g_ho * norm(self.U_o @ s.h) + self.b_o)  # output gate
        c = f * s.c + i * g
        return State(h=o * tanh(self.g_c * norm(c) + self.b_c), c=c)
