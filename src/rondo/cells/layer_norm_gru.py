"""GRU with layer normalisation."""

from rondo.cell import Cell, State, norm, sigmoid, tanh


class LayerNormGRU(Cell):
    """Layer-normalised gated recurrent unit, reset after the product
    (Ba et al. 2016, arXiv:1607.06450, supplementary material, the GRU of the skip-thoughts experiment).

    Each gate normalises its two products on their own (gains g_x*, g_h*). The reset gate multiplies the normalised
    recurrent product with its bias b_hc; elsewhere the biases of the two norms add up to one.
    """

    citation = "ba2016"

    def step(self, x, s):
        r = sigmoid(self.g_xr * norm(self.W_r @ x) + self.g_hr * norm(self.U_r @ s.h) + self.b_r)  # reset gate
        u = sigmoid(self.g_xu * norm(self.W_u @ x) + self.g_hu * norm(self.U_u @ s.h) + self.b_u)  # update gate
        c = tanh(self.g_xc * norm(self.W_c @ x) + self.b_c + r * (self.g_hc * norm(self.U_c @ s.h) + self.b_hc))
        return State(h=u * c + (1 - u) * s.h)
