"""Is the trained operator the proximal map of an invariant prior? Trained operators and controls, measured alike."""
