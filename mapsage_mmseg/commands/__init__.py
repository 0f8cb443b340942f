"""The command lines, one module each: they parse first and import afterwards, and no command imports another."""
