"""What a run does along its way: progress, what it leaves behind, where it resumes."""
