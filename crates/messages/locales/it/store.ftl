# The store of a TPM: crates/store.

store-open-wrong-key = { $kind ->
        [password] la password
        [recovery-code] il codice di ripristino
        [passphrase] la passphrase
       *[other] la chiave di { $given }
    } non apre questo archivio TPM, { $count ->
        [0] che non ha chiavi di questo genere
       *[other] che richiede quella con ID { $keys }
    }; il TPM del guest è invariato e non può avviarsi così; { $kind ->
        [password] portare su questo host il record del portachiavi con quell'ID di chiave
       *[other] `sigillo tpm key list` mostra che cos'altro lo apre
    }
store-damage-headers = entrambe le copie dell'intestazione sono danneggiate ({ $first }; { $second })
store-damage-headers-differ = le due copie dell'intestazione si contraddicono
store-damage-header-mac = l'intestazione è stata modificata da qualcosa che non conosce la chiave dell'archivio
store-damage-key-slot = la chiave dei dati cifrata { $key } è stata modificata
store-damage-length = il file è lungo { $actual } byte invece di { $expected }
store-damage-slots = nessuna delle due copie dello stato è valida
store-damage-twins = entrambe le copie dello stato dichiarano la generazione { $generation }
store-damage-contents = lo slot { $slot } è valido, ma il suo contenuto non ha senso
store-open-not-found = in questo percorso non c'è alcun archivio TPM; se il file è stato solo spostato, le chiavi del guest non sono perse: rimetterlo al suo posto; se è perduto, `sigillo tpm remove` e poi `sigillo tpm add` danno alla VM un nuovo TPM, che per il guest sarà un altro chip
store-open-locked = l'archivio TPM è in uso da parte di { $holder }; lo stesso TPM non può essere in esecuzione due volte, quindi il guest non è stato avviato; arrestare prima la VM (o ciò che tiene aperto il file)
store-open-damaged = l'archivio TPM è danneggiato: { $damage }; il TPM del guest non può avviarsi da esso e il file è stato lasciato com'è; conservarlo e vedere che cosa ne recupera `sigillo tpm salvage` in un nuovo archivio, oppure ripristinare un backup
store-open-not-a-store = il file non è un archivio TPM ({ $what }); il guest non è stato avviato e il file è stato lasciato com'è; controllare il percorso
store-open-too-new = l'archivio TPM ha il formato { $version }, scritto da una versione successiva di sigillo; questa legge fino al formato { $newest }; il file è stato lasciato com'è; avviare la VM con la versione successiva
store-open-needs-key = l'archivio TPM è cifrato con la chiave { $keys } e non è stata fornita alcuna password; il TPM del guest è invariato e non può avviarsi; portare su questo host il record del portachiavi con quell'ID di chiave
store-open-unencrypted = l'archivio TPM non è cifrato, benché sia stata fornita una password; qualcuno potrebbe aver messo un altro file al suo posto, quindi il guest non è stato avviato; controllare da dove proviene il file, oppure aprirlo senza password
store-open-unsafe = aprire l'archivio TPM non è sicuro: { $what }; il guest non è stato avviato e nulla è stato modificato; mettere nella directory della VM l'archivio stesso, come normale file con un solo nome
store-open-replaced = l'archivio TPM è stato sostituito mentre veniva aperto; il guest non è stato avviato; verificare che cos'altro scrive nella directory della VM e riprovare
store-open-io = impossibile leggere o scrivere l'archivio TPM ({ $error }); il guest non è stato avviato; controllare il disco, il proprietario e i permessi del file, poi riprovare
store-create-exists = dove dovrebbe andare il nuovo archivio TPM c'è già un file; potrebbe contenere le chiavi del guest, quindi è stato lasciato com'è; usare quell'archivio, oppure spostarlo prima sotto un altro nome
store-create-bad-path = il percorso del nuovo archivio TPM non indica un file; nulla è stato creato; indicare un percorso che termini con un nome di file
store-create-empty-password = la password del nuovo archivio TPM è vuota; nulla è stato creato, perché chiunque potrebbe aprire il TPM del guest; fornire una password, oppure richiedere un archivio non cifrato
store-create-io = impossibile scrivere il nuovo archivio TPM ({ $error }); il guest non ha ancora un TPM e nulla è rimasto sul disco; controllare la directory e lo spazio libero, poi riprovare
store-commit-too-large = lo stato del TPM, di { $len } byte, è più lungo di quanto un archivio possa contenere ({ $limit }); la modifica non è stata salvata e il guest riceve un errore; lo stato salvato in precedenza è intatto; liberare oggetti o indici NV nel guest
store-commit-cannot-grow = l'archivio TPM deve essere ingrandito e non è stato possibile ({ $error }); la modifica non è stata salvata e il guest riceve un errore; lo stato salvato in precedenza è intatto; liberare spazio sul disco, oppure controllare che si possa scrivere nella directory della VM
store-commit-cannot-reencrypt = impossibile cifrare di nuovo l'archivio TPM ({ $error }); è rimasto com'era, con le chiavi che aveva; liberare spazio sul disco, oppure controllare che si possa scrivere nella directory della VM, poi riprovare
store-commit-keys = le chiavi dell'archivio non sono state modificate: { $what }; il TPM del guest è invariato; eseguire di nuovo il comando con un'altra chiave
store-commit-io = scrittura dell'archivio TPM non riuscita ({ $error }); non è certo che l'ultima modifica sia sul disco, quindi il TPM si ferma e il guest non riceve risposta; lo stato precedente è intatto; controllare il disco, poi arrestare e avviare la VM
store-commit-poisoned = una scrittura precedente dell'archivio TPM non è riuscita, quindi non si accettano altre modifiche: dopo un errore simile il sistema può dichiarare riuscita la scrittura di dati che non sono sul disco; controllare il disco, poi arrestare e avviare la VM
another-process = un altro processo
process-pid = il processo { $pid }
key-id-digits = un ID di chiave è composto da 32 cifre esadecimali
key-kind-password = password
key-kind-recovery-code = codice di ripristino
key-kind-passphrase = passphrase
key-kind-other = tipo { $number }
store-header-short = l'intestazione è troncata
store-header-magic = l'intestazione non inizia come quella di un archivio
store-header-checksum = la somma di controllo dell'intestazione non corrisponde
store-header-too-new = l'intestazione ha il formato { $version }
store-header-field = il campo "{ $field }" dell'intestazione ha un valore che nessun archivio ha
file-symlink = è un collegamento simbolico
file-directory = è una directory
file-special = è una pipe, un socket o un dispositivo
store-staged-published = il file preparato era già stato pubblicato
store-hard-link = ha un secondo nome (un hard link), quindi due VM potrebbero condividerlo
store-keys-none-given = non è stata fornita alcuna chiave
store-keys-empty-password = una password vuota non protegge nulla
store-keys-short-passphrase = una passphrase con meno di 12 caratteri si indovina troppo presto
store-keys-unencrypted = l'archivio non è cifrato, quindi non ha chiavi
store-keys-same-id = l'archivio ha già una chiave con questo ID
store-keys-full = tutti gli otto posti per le chiavi sono occupati
store-keys-unknown = l'archivio non ha una chiave con questo ID
store-keys-last = è l'ultimo modo di aprire l'archivio e senza di esso il TPM è perso
store-keys-none-in-unencrypted = un archivio non cifrato non ha chiavi
store-keys-count = un archivio ha da una a otto chiavi
store-handed-over = lo stato dell'archivio è stato ceduto a qualcun altro
store-keys-twice = due chiavi hanno lo stesso ID
store-path-no-file = il percorso non indica un file
store-sealing-failed = la cifratura non è riuscita all'interno del programma
entropy = il sistema operativo non ha fornito byte casuali ({ $error }); nulla è stato scritto e il TPM del guest è invariato; riprovare e, se succede di nuovo, esaminare il log del kernel
recovery-code-length = un codice di ripristino ha { $len } lettere e cifre, e questo ne ha { $given }
recovery-code-character = nessun codice di ripristino contiene il carattere { $character }; si trova nel gruppo { $group }
salvage-header-copy = la copia { $copy } dell'intestazione era danneggiata: { $why }
salvage-other-keys = l'autenticità dell'intestazione non è dimostrabile, quindi solo la chiave usata qui apre il nuovo file; { $count ->
        [one] un'altra chiave è stata omessa e va aggiunta di nuovo
       *[other] altre { $count } chiavi sono state omesse e vanno aggiunte di nuovo
    }
salvage-vm-unproved = quanto l'intestazione dice della VM a cui l'archivio appartiene non è dimostrabile, ed è stato ripreso così com'è
salvage-slot = lo slot di stato { $index } era danneggiato; se conteneva lo stato più recente, l'ultima modifica fatta dal guest è persa
salvage-twins = entrambi gli slot di stato dichiarano la stessa generazione; è stato preso lo stato salvato per ultimo
salvage-length = il file è lungo { $len } byte, e la sua intestazione non lo prevede
file-empty = è vuoto
store-not-a-store = non inizia come il file di un archivio
store-without-directory = l'archivio è stato aperto senza la sua directory
store-moved = il file dell'archivio è stato spostato o sostituito
either = { $first } o { $second }
recovery-code-mistyped = il codice di ripristino contiene un errore di battitura{ $group ->
        [0] {""}
       *[other] , probabilmente nel gruppo { $group }
    }
algorithm-unencrypted = non cifrato
