"""Translation: subwords, an encoder and a decoder with attention, a glossary that holds by construction."""
