# What is wrong with a command line: crates/cli/src/cmd/usage.rs.

usage-error = errore:
usage-whole = serve un numero intero da { $least } a { $most }
usage-no-value = '{ $arg }' richiede un valore, che non è stato indicato
usage-value = valore '{ $value }' non valido per '{ $arg }'
usage-values = valori possibili: { $values }
usage-value-why = valore '{ $value }' non valido per '{ $arg }': { $why }
usage-unknown-argument = argomento '{ $arg }' inatteso
usage-unknown-command = il comando '{ $command }' non esiste
usage-missing = mancano questi argomenti obbligatori:
usage-twice = '{ $arg }' può essere indicato una sola volta
usage-conflict = '{ $arg }' non può essere usato insieme a '{ $other }'
usage-too-many = valore '{ $value }' inatteso per '{ $arg }', che non ne richiede, o non ne richiede altri
usage-not-text = un argomento non è testo UTF-8
usage-similar = forse si intendeva: { $there }
usage-more = Per altre informazioni, provare '--help'.
heading-usage = Uso
heading-commands = Comandi
heading-arguments = Argomenti
heading-options = Opzioni
heading-help = Stampa questo messaggio, oppure la guida del sottocomando indicato
heading-some-options = [OPZIONI]
heading-a-command = <COMANDO>
heading-some-command = [COMANDO]
usage-libvirt-uri = --libvirt-uri va usata insieme a --hypervisor libvirt; nulla è stato creato
