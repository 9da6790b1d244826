"""Classical Chinese poems to order: form, tones, rhyme, acrostic, theme."""
