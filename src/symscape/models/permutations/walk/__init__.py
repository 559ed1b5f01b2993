"""From a graph to facts about its channels."""
