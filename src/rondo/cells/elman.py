"""Elman's simple recurrent network."""

from rondo.cell import Cell, State, relu, tanh


class Elman(Cell):
    """Simple recurrent network with tanh (Elman 1990, Cognitive Science 14(2), doi:10.1207/s15516709cog1402_1, fig. 2).

    h<t> = tanh(W x<t> + U h<t-1> + b)
    """

    citation = """
        @article{elman1990,
          author = {Elman, Jeffrey L.},
          title = {Finding Structure in Time},
          journal = {Cognitive Science}, volume = {14}, number = {2}, pages = {179--211}, year = {1990},
          doi = {10.1207/s15516709cog1402_1}
        }
    """

    def step(self, x, s):
        return State(h=tanh(self.W @ x + self.U @ s.h + self.b))


class ElmanRelu(Cell):
    """Elman's network with rectified units and an identity start (Le et al. 2015, arXiv:1504.00941, sec. 2).

    h<t> = relu(W x<t> + U h<t-1> + b)
    """

    citation = """
        @misc{le2015,
          author = {Le, Quoc V. and Jaitly, Navdeep and Hinton, Geoffrey E.},
          title = {A Simple Way to Initialize Recurrent Networks of Rectified Linear Units},
          year = {2015}, eprint = {1504.00941}, archivePrefix = {arXiv}
        }
    """
    init = {"U": "identity"}

    def step(self, x, s):
        return State(h=relu(self.W @ x + self.U @ s.h + self.b))
