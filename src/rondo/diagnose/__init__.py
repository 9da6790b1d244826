"""Diagnostics: what happens inside a recurrent network, as frozen dataclasses of plain numpy arrays; nothing is drawn.

    flow       norm of dL/ds<t> by distance from the loss
    jacobian   singular values of d s<t> / d s<t-1> and of its product over many steps; Lyapunov exponents
    spectrum   eigenvalues and singular values of every matrix that multiplies something carried
    gates      what the sigmoids and tanhs of the equations do: means, saturation, histograms
    horizon    how far back the past still counts: by gradient, and by the loss on a shortened context
    saliency   which inputs a chosen output depends on
    lesion     a network in which one unit is held at a value
    neurons    what text excites a unit of a language model, and the loss without it
    contrast   two sentences that differ in one thing, and which units tell them apart
    lecture    the vanishing and the exploding network, before and after clipping and gates
    unrolled   a small network in each topology: every value and every gradient of each step, truncation by a window
    steps      a pass forward with the value of every node of the equations, a small network that spells a word
    hold       gates held at a value while a network reads, and what a gate is made of
    reach      which inputs each output sees, as gradients: one direction, both, several layers
    truncated  truncated backpropagation beside the whole gradient: cosine, relative error, cost, at every reach
    radius     flow, Jacobians, spectrum and clipping of one network whose recurrent matrix is turned to a radius

Everything works on any cell: states, gates and matrices are found in the graph of its equations. Arrays that belong
to a layer are keyed by its name, "l0" or "l0_reverse", those of a state by "l0.h".
"""

from __future__ import annotations


class DiagnoseError(ValueError):
    """A diagnosis that cannot be made; the message says why and what to do."""
