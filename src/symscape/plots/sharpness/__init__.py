"""Pictures of curvature."""
