"""The tour: six stops in a terminal, from a poem to a training, and the same as one page, tour.html."""
