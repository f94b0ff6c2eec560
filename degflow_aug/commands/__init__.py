"""The subcommands of ``degflow``, one file each; imported when it is called."""
