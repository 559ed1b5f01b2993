"""How a map is padded at its border and thinned out: padding, blurs, grids, strides."""
