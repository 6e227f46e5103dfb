# What the commands about the host and its keychain say: crates/cli/src/cmd.

audit-last-hash = ultimo hash { $hash }
audit-says-torn = un arresto anomalo ha lasciato l'inizio di un'altra riga, che non corrisponde ad alcuna operazione eseguita
audit-says-whole = { $path }: { $lines ->
        [one] { $lines } riga
       *[other] { $lines } righe
    }, integro e in ordine
availability-keychain = il portachiavi di sistema è utilizzabile; record: { $count }
availability-together = --product-version, --edition e --chip vanno indicate insieme, come in `sigillo availability --product-version 17.1.0 --edition pro --chip intel`; senza di esse la risposta riguarda sigillo su questo host
availability-not-here = nessuna VM con un TPM può essere eseguita su questo host finché non è presente ciò che manca
not-confirmed = nulla è stato modificato, perché nessuno ha detto sì; senza un terminale lo dice --yes
doctor-count = { $errors ->
        [one] { $errors } errore
       *[other] { $errors } errori
    }, { $warnings ->
        [one] { $warnings } avviso
       *[other] { $warnings } avvisi
    }
keychain-file-made = { $file } è stato creato; non contiene ancora alcun record
keychain-file-opens = { $path } si apre con questa password ({ $kdf })
keychain-file-holds = record: { $records }; altre voci: { $others }
keychain-nothing-stays-open = nulla resta aperto: ogni comando che ha bisogno del file ne chiede la password
keychain-copy-which = uno fra --from e --to deve essere `system` o `secret-service` di questo host, e l'altro un altro portachiavi; nessun record è stato copiato; indicarli in questo modo
keychain-copied = { $name } (chiave { $key_id }, creato il { $created }) è stato copiato
keychain-copy-there = sull'altro host: sigillo keychain copy '{ $name }' --from { $file } --to system
keychain-copied-here = ora la VM il cui UUID è nel nome può avviarsi su questo host
secret-service-not-built = questo sigillo è stato compilato senza (cargo build -p sigillo --features secret-service)
keychain-not-sealed = i record di questo host si trovano nel Secret Service, come dice il suo host.toml; esso ha una chiave e un blocco propri, e nulla è stato fatto; bloccarlo e sbloccarlo con il programma del desktop
record-needed = La VM { $vm } ha bisogno di questo record: senza di esso il guest perde il suo TPM e non si avvia;
record-needed-set-aside = { $path }, conservato per la VM { $vm }, ha bisogno di questo record:
record-needed-unread = l'archivio { $path } di { $vm } non è leggibile e può aver bisogno di questo record: `sigillo tpm salvage` ne prende la chiave, e senza di esso ciò che resta di quel TPM è perso.
record-needed-elsewhere = la VM di questo record ha usato su questo host un TPM il cui archivio non è in { $home }, e altrove non si è guardato: l'archivio può trovarsi in un'altra directory (`--home`) o su un disco che ora manca, e aver bisogno di questo record.
record-needed-twin = il record { $twin }, che resta, ha la stessa password.
record-needed-other-way = in tal caso quell'archivio si apre solo con un codice di ripristino o una passphrase.
record-needed-only-way = nient'altro apre quell'archivio: BitLocker chiede la chiave di ripristino, LUKS la passphrase, e le chiavi nel TPM sono perse.
record-keep-copy = Per conservarne prima una copia: `sigillo keychain create copia.kdbx`, poi `sigillo keychain copy '{ $name }' --from { $from } --to copia.kdbx`.
record-give-up = Rinunciare al record { $name }?
record-deleted = { $name } è stato eliminato
keychain-now-locked = { $path } è bloccato: i TPM che ne hanno bisogno non si avviano
keychain-now-unlocked = { $path } è sbloccato; la sua chiave ({ $provider }) lo apre; record: { $records }
keychain-not-there-yet = { $path } non esiste ancora: viene creato con il primo record
ask-password = Password di { $path }:{" "}
ask-new-password = Nuova password per { $path }:{" "}
ask-again = Di nuovo la stessa:{" "}
passwords-differ = le due password sono diverse
no-terminal-for-password = non c'è un terminale su cui chiederla ({ $error }); usare --password-file o --password-fd
keychain-no-password = nessuna password per il file di portachiavi: { $why }; nessun record è stato letto o copiato; riprovare
old-key-left = la vecchia chiave non serve più e non è stato possibile rimuoverla: { $why }
provider-had-it = { $path } aveva già: { $kind }
provider-has-now = { $path } ora ha: { $kind }; prima aveva: { $before }
provider-made = { $path } è stato creato; la sua chiave è: { $kind }
keychain-sealed-by = { $path } è sigillato; la sua chiave è: { $provider }
keychain-first-provider = { $path } non esiste ancora; lo sigillerà il primo dei fornitori seguenti che funziona
keychain-how-to-unlock = è bloccato; `sigillo keychain unlock` lo sblocca
provider-state-absent = non qui
records-in-secret-service = i record si trovano nel Secret Service di questa sessione
password-for-root = la password di { $name } viene mostrata solo a root; nulla è stato mostrato e il TPM della VM è invariato; eseguire il comando come root
store-needs-no-record = non cifrato: non ha bisogno di un record
store-opened-by-record = aperto da questo record
store-under-other-password = creato o cifrato di nuovo con un'altra password
record-not-printed = non è stato possibile mostrare il record: { $error }
report-not-written = quanto richiesto è stato eseguito, ma non è stato possibile scriverne il resoconto: { $why }
man-pages = { $count } pagine in { $dir }
man-not-written = impossibile scrivere { $path }: { $error }
host-tpm-none = nessun TPM 2.0 in { $path }: { $error }
host-tpm-no-key = la sua gerarchia owner non ha creato una chiave di archiviazione: { $error }
host-tpm-no-handle = la sua chiave di archiviazione non ha un handle
host-tpm-no-salt = nessun salt per la sua chiave di archiviazione
host-tpm-no-session = non ha avviato una sessione: { $error }
host-tpm-silent = { $path } non è un TPM 2.0 che risponde: { $error }
host-tpm-strange = { $path } risponde qualcosa di diverso da quanto chiesto
host-tpm-would-seal = sigillerebbe nel TPM 2.0 in { $path } (prodotto da { $maker })
host-tpm-key-too-long = la chiave è troppo lunga per essere sigillata
host-tpm-not-sealed = non ha sigillato la chiave
host-tpm-damaged = è danneggiato, oppure non è una chiave sigillata in un TPM
host-tpm-other = questo TPM ha un'altra chiave di archiviazione: è stato azzerato, oppure non è il TPM in cui la chiave è stata sigillata
host-tpm-not-loaded = non carica la chiave
host-tpm-loaded-no-handle = la chiave caricata non ha un handle
host-tpm-not-unsealed = non apre la chiave sigillata
head-this-host = QUESTO HOST
head-feature = FUNZIONE
head-available = PRESENTE
head-why = PERCHÉ
need-not-needed = non serve
availability-unsaid = non detto
head-about = DETTAGLI
head-provider = FORNITORE
head-state = STATO
provider-state-works = funziona
provider-state-broken = guasto
keychain-sealed-by-locked = { $path } è sigillato; la sua chiave è: { $provider }; è bloccato
head-host = HOST
head-comment = COMMENTO
severity-note = nota
severity-warning = avviso
severity-error = errore
doctor-host = host
doctor-vm = VM { $vm }
doctor-means = significa: { $text }
doctor-do = da fare: { $text }
doctor-command = comando: { $text }
