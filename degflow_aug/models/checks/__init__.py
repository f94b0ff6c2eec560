"""An option file checked before anything is written."""
