"""The instruments for one's own training loop: plain functions, tensors in, numbers out.

    import symscape.library as ss

They take any torch network that maps images to logits, leave it as it is, and need neither
Lightning nor a run on disk.
"""

from symscape.audit.kernels import KernelMeasure
from symscape.curvature.lanczos import Eigenvalues
from symscape.layers.conversion import symmetric_network
from symscape.layers.effective import effective_network
from symscape.layers.factory import ConvFactory, initialise
from symscape.library.alignment import Alignment, align
from symscape.library.audits import NetworkAudit, audit_network
from symscape.library.curves import Curve, connect
from symscape.library.sharpness import top_eigenvalues
from symscape.symmetry.groups import Symmetry
from symscape.symmetry.measures import Measure, measure_network, null_band, symmetry_score

__all__ = [
    "Alignment",
    "ConvFactory",
    "Curve",
    "Eigenvalues",
    "KernelMeasure",
    "Measure",
    "NetworkAudit",
    "Symmetry",
    "align",
    "audit_network",
    "connect",
    "effective_network",
    "initialise",
    "measure_network",
    "null_band",
    "symmetric_network",
    "symmetry_score",
    "top_eigenvalues",
]
