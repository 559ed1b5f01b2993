"""Result files as figures need them."""
