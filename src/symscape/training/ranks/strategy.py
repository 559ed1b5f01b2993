"""Lightning's DDP among processes that are there already."""

from __future__ import annotations

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy

from symscape.training.ranks.place import Place


def ddp_strategy() -> DDPStrategy:
    """Return Lightning's strategy; the gradients of all ranks become their mean.

    Buffers need no exchange: BatchNorm is synchronised, and the others are constants. Looking for
    unused parameters, of which there are none, keeps DDP from packing the gradients anew after its
    first step: from three ranks on, the order of a sum depends on the packing, and a resumed run
    would round its first step otherwise than an undisturbed one.
    """
    return DDPStrategy(
        broadcast_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=True
    )


class Seats(ClusterEnvironment):
    """Tells Lightning which rank this process is, and that nothing is left to start.

    Args:
        place: the process's place.
        devices: ranks on each machine.
    """

    def __init__(self, place: Place, devices: int) -> None:
        super().__init__()
        self.place, self.devices = place, devices

    @property
    def creates_processes_externally(self) -> bool:
        """True: all processes are there."""
        return True

    @property
    def main_address(self) -> str:
        """Not asked for: the processes are connected."""
        raise NotImplementedError

    @property
    def main_port(self) -> int:
        """Not asked for: the processes are connected."""
        raise NotImplementedError

    @staticmethod
    def detect() -> bool:
        """False: it is never chosen by itself."""
        return False

    def world_size(self) -> int:
        """Return the number of ranks."""
        return self.place.ranks

    def set_world_size(self, size: int) -> None:
        """Nothing to set."""

    def global_rank(self) -> int:
        """Return the number of this rank."""
        return self.place.rank

    def set_global_rank(self, rank: int) -> None:
        """Nothing to set."""

    def local_rank(self) -> int:
        """Return the number of this rank on its machine."""
        return self.place.local_rank

    def node_rank(self) -> int:
        """Return the number of its machine."""
        return self.place.rank // self.devices
