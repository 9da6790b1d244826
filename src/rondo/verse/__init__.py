"""Chinese verse: rhyme books and tones, forms, the judge of a poem or couplet. No torch anywhere in it."""
