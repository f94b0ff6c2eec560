"""The subcommands of ``degflow``, one file or folder each; a command is imported when it is called."""
