"""What all pages share: templates, languages, headers, formats."""
