"""How symmetric networks are: `python audit.py network=torchvision/resnet18`."""

import symscape.early  # noqa: F401

# isort: split
import hydra
from omegaconf import DictConfig

from symscape.config.audit import AuditConfig
from symscape.door import call_job, register_schemas, run_door

register_schemas()


@hydra.main(version_base="1.3", config_path="cfg", config_name="audit")
def main(config: DictConfig) -> None:
    """Audit what the config describes."""
    from symscape.jobs.audit.job import audit

    call_job(audit, config, AuditConfig)


if __name__ == "__main__":
    run_door(main, AuditConfig)
