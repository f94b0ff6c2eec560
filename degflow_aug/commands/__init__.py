"""The subcommands of ``degflow``, one file each; imported only when called."""
