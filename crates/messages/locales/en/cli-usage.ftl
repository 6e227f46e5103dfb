# What is wrong with a command line: crates/cli/src/cmd/usage.rs.

usage-error = error:
usage-whole = a whole number from { $least } to { $most } is wanted
usage-no-value = '{ $arg }' needs a value, and none was given
usage-value = invalid value '{ $value }' for '{ $arg }'
usage-values = possible values: { $values }
usage-value-why = invalid value '{ $value }' for '{ $arg }': { $why }
usage-unknown-argument = unexpected argument '{ $arg }'
usage-unknown-command = there is no command '{ $command }'
usage-missing = these required arguments were not given:
usage-twice = '{ $arg }' can be given only once
usage-conflict = '{ $arg }' cannot be used with '{ $other }'
usage-too-many = unexpected value '{ $value }' for '{ $arg }', which takes none, or no more
usage-not-text = an argument is not UTF-8 text
usage-similar = did you mean: { $there }
usage-more = For more information, try '--help'.
heading-usage = Usage
heading-commands = Commands
heading-arguments = Arguments
heading-options = Options
heading-help = Print this message or the help of the given subcommand(s)
heading-some-options = [OPTIONS]
heading-a-command = <COMMAND>
heading-some-command = [COMMAND]
usage-libvirt-uri = --libvirt-uri goes with --hypervisor libvirt; nothing was made
