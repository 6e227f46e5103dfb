# A virtual machine and its TPM: crates/vm.

io = impossibile { $action } { $path }: { $source }
file-system-full = in { $place } non si può scrivere altro: il suo file system, { $mount }, è pieno. Il comando non è stato eseguito, e nulla di ciò che c'era è andato perso. Liberare spazio (`df -h { $mount }` dice quanto ce n'è) e ripetere il comando
file-system-read-only = non si può scrivere in { $place }: il suo file system, { $mount }, è montato in sola lettura. Il comando non è stato eseguito, e nulla di ciò che c'era è andato perso. Montarlo in scrittura (`mount -o remount,rw { $mount }`) e ripetere il comando; se non era stato montato così, vedere il log del kernel dell'host, perché il suo disco può essere guasto
vm-config = { $path }: { $what }. La VM non è stata toccata; correggere il file e riprovare
vm-not-found = in { $home } non c'è alcuna VM { $name }. `sigillo vm list -a` mostra quelle presenti
vm-exists = { $path } esiste già; scegliere un altro nome, oppure eliminare prima quella VM
vm-running = la VM { $name } è in esecuzione: { $action } richiede che sia spenta. Arrestare prima il guest, oppure eseguire `sigillo vm stop { $name }`
vm-busy = un altro comando di sigillo sta lavorando sulla VM { $name }; attendere che termini e riprovare
tpm-legacy-bios = la VM { $name } si avvia da un BIOS legacy, e il TPM funziona solo con un firmware UEFI: il guest non verrebbe misurato e l'Avvio protetto sarebbe impossibile. Un guest installato per il BIOS non si avvia con UEFI, quindi il firmware di questa VM non può essere cambiato; creare una nuova VM con `sigillo vm create NAME --firmware uefi` e installarvi il guest
tpm-physical-disk = la VM { $name } usa il disco { $disk } dell'host: lo stesso sistema può essere avviato fuori dalla VM, dove il suo TPM non esiste, e per esso le chiavi conservate nel TPM sarebbero perse. Importare il disco in una VM ordinaria e aggiungere lì il TPM: `sigillo vm create NAME --import-disk { $disk }` lo copia in un'immagine e lo lascia com'è
tpm-exists = la VM { $name } ha già un TPM, che non è stato toccato
tpm-keychain-setup = il TPM della VM { $name } non è stato aggiunto: la sua password non può essere conservata nel portachiavi di sistema ({ $code }: { $why }). Nulla è stato modificato. Sistemare il portachiavi come indicato (`sigillo doctor` dice di più) e riprovare
tpm-record-missing =
    la VM { $name } non è stata avviata: è legata all'host su cui è stata creata, o su cui è stata eseguita l'ultima volta, perché la password del suo archivio TPM si trova nel record { $record }, che il portachiavi di sistema di questo host non ha. L'archivio non è stato toccato. Ci sono due modi per portarlo qui:
      (1) in un file di portachiavi, da quell'host o conservato come backup:
          là:  sigillo keychain create carry.kdbx
          là:  sigillo keychain copy { $quoted } --from system --to carry.kdbx
          qui: sigillo keychain copy { $quoted } --from carry.kdbx --to system
      (2) un nuovo record, con il codice di ripristino stampato quando il TPM è stato aggiunto, o con una passphrase:
          qui: sigillo tpm key restore-record { $name }
    Senza né l'uno né l'altro le chiavi del guest non sono recuperabili. Un guest che usa BitLocker o LUKS con il TPM può ancora essere aperto con la sua chiave di ripristino; questo conserva l'archivio come backup e dà alla VM un nuovo TPM:
          sigillo vm start { $name } --when-record-missing new
tpm-record-other = la VM { $name } non è stata avviata: il record { $record } del portachiavi di sistema di questo host (ID di chiave { $key_id }) non apre il suo archivio TPM, che è stato creato o cifrato di nuovo con un'altra password. L'archivio non è stato toccato. { $hint }
vm-keychain = impossibile usare il portachiavi di sistema per la VM { $name } ({ $code }: { $why }). Non si tratta di un record mancante: l'archivio TPM non è stato toccato e la VM non è stata avviata
vm-store = impossibile usare l'archivio TPM della VM { $name }: { $why }
vm-store-gone = la VM { $name } non è stata avviata: il suo archivio TPM { $store } non c'è. { $hint }
tpm-rolled-back = la VM { $name } non è stata avviata: il suo archivio TPM è stato riportato indietro di { $by } commit rispetto a quanto visto l'ultima volta il { $seen }. Contatori, tentativi falliti e ciò che il guest ha eliminato da allora verrebbero annullati. Nulla è stato modificato. Rimettere l'archivio più recente; se è perduto, o se la VM è stata riportata indietro di proposito, `sigillo vm start { $name } --when-rolled-back accept` prosegue da quello meno recente
tpm-twin = la VM { $name } non è stata avviata: il suo archivio TPM è un gemello: al commit { $generation }, o prima, si è separato dalla storia che questo host ha visto l'ultima volta il { $seen }, quindi una copia della VM è andata avanti da sola altrove. Nulla è stato modificato. Stabilire con quale dei due il guest debba proseguire e mettere qui quell'archivio; `sigillo vm start { $name } --when-rolled-back accept` prosegue con questo
tpm-other-store = la VM { $name } non è stata avviata: il suo archivio TPM non è quello con cui la VM è stata eseguita l'ultima volta su questo host: per il guest è un altro TPM. Nulla è stato modificato. Rimettere l'archivio della VM (`sigillo tpm restore-backup` lo fa con un backup); se questo è quello giusto, `sigillo vm start { $name } --when-rolled-back accept`
tpm-anchor = la VM { $name } non è stata avviata: ciò che questo host ricorda del suo archivio TPM è danneggiato, quindi non si può stabilire se l'archivio sia stato riportato indietro. Nulla è stato modificato. Se si è certi dell'archivio, `sigillo vm start { $name } --when-rolled-back accept` ricomincia a ricordare da capo
tpm-in-use = la VM { $name } non è stata avviata: su questo host { $holder } esegue una copia del suo archivio TPM. Lo stesso TPM non può essere in esecuzione due volte: i guest annullerebbero l'uno le modifiche dell'altro. Nulla è stato modificato. Arrestare l'altra VM; a una VM copiata serve un TPM proprio
host-config = { $path }: { $what }. Il file stabilisce che cosa fare quando il record di un TPM manca o il suo archivio è stato riportato indietro, quindi senza di esso nessuna VM viene avviata; correggere il file e riprovare
tpm-backup = nessun backup del TPM della VM { $name } è stato ripristinato: { $why }. Nulla è stato modificato; `sigillo tpm restore-backup { $name } --list` li mostra
tpm-backup-record = nessun backup del TPM della VM { $name } è stato ripristinato: il portachiavi di sistema non ha un record con la chiave { $key_ids }. Nulla è stato modificato e la VM conserva il TPM che ha. Portare il record dall'host da cui proviene la VM e riprovare
host-part = manca { $what }: { $path }. Installare il pacchetto Debian { $package }
vm-worker = la VM { $name } non è stata avviata: il suo TPM non si è avviato: { $why }
vm-serial-log = la VM { $name } non è stata avviata: il processo che scrive il log della sua console seriale non si è avviato: { $why }
vm-qemu = la VM { $name } non è stata avviata: QEMU non si è avviato: { $why }
vm-variables = la VM { $name } non è stata avviata: le variabili del suo firmware { $path } non sono integre: { $why }. Nulla è stato modificato. Rimettere il file da una copia del bundle; se non ce n'è una, `cp { $template } { $path }` ne crea uno nuovo: non contiene le voci di avvio del guest né altre chiavi, e ciò che è stato sigillato con le precedenti chiede la chiave di ripristino
vm-no-kvm = la VM { $name } non è stata avviata: richiede KVM, e il KVM di questo host non è utilizzabile: { $why }. Impostare accel = "auto"
vm-monitor = monitor di QEMU: { $why }
vm-stop-timeout = la VM { $name } non si è arrestata entro { $seconds } s. Il guest potrebbe ignorare il pulsante di accensione; `sigillo vm stop { $name } --force` la termina subito, come togliendo la corrente
vm-run-directory = nessuna directory privata per i socket della VM: { $why }
secure-boot-keys = chiavi di Avvio protetto: { $why }
vm-import-disk = { $disk } non è stato importato e non è stato modificato: { $why }
vm-draft = nessuna VM è stata creata: { $why }
vm-disk-size = il disco { $disk } non è stato ingrandito: { $why }
vm-not-started = la VM { $name } non è stata avviata: { $why }
vm-hardware = l'hardware della VM { $name } non è stato modificato: { $why }
tpm-none = la VM { $name } non ha un TPM; nulla è stato modificato. `sigillo tpm add { $name }` gliene dà uno
tpm-policy = la VM { $name } non riceve un TPM: la policy di questo host ({ $file }) { $why }. Nulla è stato modificato. Rivolgersi all'amministratore dell'host, che può modificare quel file
tpm-unavailable = la VM { $name } non riceve un TPM: questo host non può eseguirne uno: { $why }. Nulla è stato modificato; `sigillo availability` mostra che cosa serve
do-copy = copiare
do-create = creare
do-find = trovare
do-follow = seguire
do-grow = ingrandire
do-import = importare
do-keep = conservare
do-listen-on = mettersi in ascolto su
do-lock = bloccare
do-look-at = esaminare
do-make-a-password-for = creare una password per
do-make = creare
do-measure = misurare
do-move = spostare
do-open = aprire
do-protect = proteggere
do-read-the-anchor-of = leggere l'ancora di
do-read = leggere
do-remove = rimuovere
do-rename = rinominare
do-replace = sostituire
do-run = eseguire
do-set-aside = mettere da parte
do-size = stabilire la dimensione di
do-sync = rendere permanente
do-use = usare
do-wait-for = attendere
do-write = scrivere
do-connect-to = connettersi a
and = { $first } e { $second }
console-elsewhere = la VM { $name } ha la sua console seriale sul terminale da cui è stata avviata con --serial; arrestarla lì e avviarla senza --serial per raggiungerne la console da qualsiasi terminale
console-taken = un altro terminale è connesso alla console seriale della VM { $name }; uscirne prima lì con Ctrl-]. Il guest non ne risente
doing-tpm-removal = la rimozione del TPM
part-outside-not-there = { $path }, che si trova fuori da esso, non c'è (rimetterlo, oppure toglierlo con `sigillo vm hardware remove`)
image-cut = { $path } ha { $bytes } byte, e un'immagine raw ha settori interi di 512 byte (se non ne manca nulla, `truncate -s %512` l'arrotonda per eccesso)
image-empty = { $path } è un file vuoto, e non un disco
store-not-encrypted = { $path } non è cifrato, mentre l'archivio della VM lo era; è un altro archivio e non è stato toccato; rimettere l'archivio della VM
store-gone-backup-with-record = Nel bundle ce n'è un backup il cui record è qui: `sigillo tpm restore-backup` lo ripristina
store-gone-backup = Nel bundle ce ne sono dei backup, ma senza i loro record: vedere `sigillo tpm restore-backup --list`
store-gone = Se il file è stato solo spostato, le chiavi del guest non sono perse: rimetterlo al suo posto. Nulla è stato modificato e nessun altro TPM è stato creato; se è perduto, `sigillo tpm remove` e poi `sigillo tpm add` danno alla VM un nuovo TPM
record-opens-backup = Il record apre il backup { $backup }: `sigillo tpm restore-backup { $vm }` lo rende di nuovo l'archivio della VM
record-bring = Portare il record dall'host su cui la VM è stata eseguita l'ultima volta
doing-restore = il ripristino di un backup del suo TPM
backup-none = nel bundle non ce n'è nessuno
backup-no-such = nessuno si chiama così; ci sono: { $listed }
backup-several = ne corrisponde più di uno; indicare uno fra: { $listed }
backup-unreadable = il backup { $backup } non può essere letto; nulla è stato modificato
backup-foreign = il backup { $backup } è di un'altra VM o non contiene un TPM; nulla è stato modificato
tpm-loss = ciò che il guest ha sigillato con il vecchio TPM resta chiuso: BitLocker chiede la chiave di ripristino, LUKS la passphrase; chiavi, contenuti NV e contatori del TPM non ci sono; Windows Hello e i certificati legati al TPM vanno configurati di nuovo; chi attesta il guest vede un'altra endorsement key
doing-start = l'avvio
hypervisor = l'hypervisor
link-not-file = non è un file; indicare con il suo percorso assoluto ciò a cui porta il collegamento
step-loading-memory = caricamento della memoria
qemu-said = { $why }; QEMU ha risposto: { $said }
guest-internal-error = il guest si è fermato per un errore interno
qemu-ended-early = QEMU è terminato prima che il suo monitor rispondesse
import-file = è un file e non un disco di questo host; `--disk` accetta file immagine
import-device = è un disco di questo host, e non una VM esportata. `sigillo vm create NAME --import-disk { $disk }` crea una VM con una sua copia
import-no-disk = non è un disco o una partizione di questo host
import-in-use = questo host lo sta usando, quindi ciò che si legge potrebbe essere scritto a metà; smontarlo prima (o disattivarne lo swap)
import-only-root = solo root può leggerlo; eseguire il comando con sudo
disk-host-size = è un disco di questo host, grande quanto è
not-a-file = non è un file
qcow2-program = il programma che ingrandisce le immagini qcow2
said-nothing = non ha detto nulla
qcow2-none = non è un'immagine qcow2
qcow2-backing = ha un file di base; `qemu-img convert` ricava una sola immagine da entrambi
qcow2-data-file = i suoi dati si trovano in un altro file; `qemu-img convert` ricava una sola immagine da entrambi
behind-symlink = è un collegamento simbolico, o si trova oltre un collegamento simbolico
vm-has-none = la VM non ne ha uno
said-nothing-for = non ha detto nulla per { $seconds } s
qmp-descriptor = non è stato possibile passare un descrittore
qmp-takes-nothing = non accetta altro
qmp-failed = operazione non riuscita
qmp-no-status = query-status non indica alcuno stato
qmp-no-answer = non ha risposto in tempo
qmp-closed = la connessione è stata chiusa
qmp-not-json = non è JSON: { $error }
qmp-endless-line = una riga non ha fine
doing-tpm-addition = l'aggiunta del TPM
no-spice = il QEMU installato qui non ha SPICE. Nulla è stato modificato; usare `--display vnc`
seconds-after-1970 = { $seconds } s dopo il 1970
doing-announce = il ritorno del suo TPM a un'istantanea
nothing-changed = Nulla è stato modificato
belongs-to-other-vm = { $path } appartiene a un'altra VM
run-path-too-long = anche { $path } è troppo lungo; impostare XDG_RUNTIME_DIR su un percorso più breve
dir-not-own = { $path } non è una propria directory in cui nessun altro può scrivere
dir-not-private = { $path } non è una propria directory riservata (0700)
it-dir-not-own = non è una propria directory in cui nessun altro può scrivere
copy-not-whole = è la copia incompleta di una VM
doing-deletion = l'eliminazione
keys-choices = microsoft, snakeoil o il percorso di un archivio di variabili
keys-microsoft = le chiavi di Microsoft
keys-snakeoil = le chiavi di prova snakeoil
keys-of-file = le chiavi di { $path }
vars-size = { $size } byte; un archivio di variabili per questo firmware ne ha { $wanted }
vars-no-volume = non è un volume firmware
uefi-firmware = il firmware UEFI
new-tpm-question = Il portachiavi di sistema di questo host non ha il record { $record }, che contiene la password dell'archivio TPM della VM { $vm }.
    È possibile creare un nuovo TPM. In tal caso { $loss }.
    L'archivio trovato viene conservato come backup, e `sigillo tpm restore-backup` lo ripristina non appena il suo record è qui.
    Creare un nuovo TPM?
older-state-question = { $why }
    Avviandola ugualmente il guest riceve il TPM meno recente: contatori e tentativi falliti da allora vengono dimenticati, e ciò che è stato sigillato da allora potrebbe non aprirsi.
    Avviarla?
event-new-tpm = La VM { $vm } ha un NUOVO TPM, perché il portachiavi non aveva il record { $record }: { $loss }.
    L'archivio trovato è conservato come { $backup }.
    Per annullare: portare il vecchio record (`sigillo keychain copy`), poi `sigillo tpm restore-backup { $vm }`
event-finished = VM { $vm }: una modifica interrotta dell'archivio del suo TPM è stata portata a termine
event-moved-on = VM { $vm }: il suo TPM ha { $by } commit che questo host non ha visto, come dopo un'esecuzione su un altro host
event-not-remembered = VM { $vm }: questo host non ha potuto ricordare lo stato più recente dell'archivio del suo TPM ({ $why }); fino al prossimo avvio della VM, una copia dello stato precedente non viene riconosciuta come più vecchia
accel-configuration = lo richiede la configurazione
accel-trial = il KVM di questo host ha eseguito il firmware in una prova
accel-no-kvm = il KVM di questo host non è utilizzabile: { $why }
accel-suspended = come quando è stata sospesa
accel-unknown = chi l'ha avviata è stato terminato prima di poterlo dire
kvm-firmware-stopped = il firmware si è fermato: { $status }
display-socket = { $kind } sul socket Unix { $path }
display-port-password = { $kind } su 127.0.0.1:{ $port }, con la password in { $path }
