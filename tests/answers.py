"""What students write: one cell twice, under other names."""

LEAKY = """def Mine(x: input, h: hidden):
    k = sigmoid(W_k @ x + U_k @ h + b_k)
    c = tanh(W_c @ x + U_c @ h + b_c)
    return State(h=k * h + (1 - k) * c)"""
RENAMED = """def Other(x: input, s: hidden):
    new = tanh(b_n + V_n @ s + W_n @ x)
    gate = sigmoid(U_g @ s + W_g @ x + b_g)
    return State(s=(1 - gate) * new + s * gate)"""
