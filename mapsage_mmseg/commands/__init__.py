"""The command lines, one module each: they parse first and import afterwards, and none imports another."""
