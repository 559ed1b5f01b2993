"""What all analyses share: subjects, missing results, shards, tables, pictures."""
