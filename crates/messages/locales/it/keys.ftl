# The keys to a TPM: crates/vm/src/keys.rs.

keys-foreign = l'archivio TPM { $store } appartiene a una VM diversa da { $name }; nulla è stato modificato; rimettere l'archivio della VM
keys-record-missing = le chiavi del TPM della VM { $name } non sono state modificate: il portachiavi di sistema non ha il record { $record }, che apre l'archivio; portare il record dall'host da cui proviene la VM, oppure crearne uno nuovo con il codice di ripristino o la passphrase: `sigillo tpm key restore-record { $name }`
keys-record-other = le chiavi del TPM della VM { $name } non sono state modificate: il record { $record } (ID di chiave { $key_id }) non apre il suo archivio; potrebbe essere la chiave di un altro archivio di questa VM, ad esempio di un backup, quindi è stato lasciato com'è. Portare il record giusto, oppure metterne uno nuovo al suo posto con il codice di ripristino o la passphrase: `sigillo tpm key restore-record { $name } --replace`
keys-record-there = nulla è stato modificato: il record { $record } è nel portachiavi di sistema e indica una chiave dell'archivio, quindi la VM { $name } dovrebbe avviarsi. Se tuttavia non apre l'archivio, `--replace` mette un nuovo record al suo posto
keys-suspended = le chiavi del TPM della VM { $name } non sono state modificate: il TPM è sospeso e il suo stato sospeso ({ $file }) non sarebbe leggibile con un'altra chiave; avviare la VM, arrestare il guest e riprovare
keys-not-newest = l'archivio TPM della VM { $name } non è stato cifrato di nuovo: non è lo stato più recente visto da questo host, oppure non si può stabilire se lo sia, e la VM non si avvierebbe con esso. Nulla è stato modificato. `sigillo vm start { $name }` dice che cosa non va e come uscirne; cifrarlo di nuovo dopo
keys-in-use = la chiave { $key_id } è la password contenuta nel record del portachiavi di questo host, senza la quale la VM { $name } non si avvia; nulla è stato rimosso; `sigillo tpm key rotate { $name }` mette una nuova password al suo posto
doing-reencrypt = una nuova cifratura del suo archivio TPM
doing-new-record = la creazione di un nuovo record per il suo TPM
doing-keys = la modifica delle chiavi del suo TPM
