"""Named entities: which words name a person, a place, an organisation, in Chinese and English text."""
