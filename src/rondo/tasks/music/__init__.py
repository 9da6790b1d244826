"""Music: folk tunes written, continued and varied bar by bar; chorales in four voices."""
