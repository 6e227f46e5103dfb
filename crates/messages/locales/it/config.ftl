# A VM, its configuration and devices, when they cannot be: crates/vm.

config-too-many = { $found } { $key ->
        [disks] dischi
        [networks] schede di rete
        [cdroms] unità CD-ROM
       *[other] { $key }
    }; ne sono possibili { $most }
draft-identity = name e uuid sono quelli della VM in corso di creazione: { $name }, { $uuid }
draft-removed-tpm = una nuova VM non ha [removed_tpm]
draft-tpm = un nuovo TPM ha store = { $store } ed encrypted = true
draft-format = { $disk } ha format = { $format }
draft-no-disk = nel bundle non ci sarà alcun { $disk }; `sigillo vm hardware add disk` aggiunge altri dischi in seguito
draft-no-cdrom = { $path } non esiste
config-too-long = il file supera i { $limit } byte
config-not-text = riga { $line }: questo non è testo UTF-8
config-line = riga { $line }: { $what }
config-version = la versione { $version } dello schema non è nota qui (nota: { $known })
config-memory = memory_mib = { $memory } non è compreso fra 16 e 4194304
config-cpus = cpus = { $cpus } non è compreso fra 1 e 255
config-secure-boot = secure_boot richiede firmware = "uefi"
config-bios-tpm = una VM con BIOS legacy non può avere un [tpm]
config-store = store = { $store } non è un nome di file
config-profile = profile = { $profile } non è il nome di un profilo
vm-name = una VM non può chiamarsi { $name }: lettere, cifre, spazi e . _ - iniziando con una lettera o una cifra, senza spazio alla fine, al massimo 64 byte
display-port = { $kind } su 127.0.0.1:{ $port }
config-sata = { $sata } dischi SATA e { $drives } unità CD-ROM; per entrambi ci sono in tutto { $ports } porte SATA
config-display-port = port = { $port } è troppo basso: VNC inizia da { $vnc }, SPICE da 1024
config-mac-twice = mac = { $mac } è di un'altra scheda di rete
config-forwards = { $found } inoltri; ne sono possibili { $most }
config-port-0 = 0 non è una porta che possa essere inoltrata
config-port-twice = la porta { $port } è inoltrata due volte
config-path = { $path } non è né un nome nel bundle né un percorso assoluto
config-mac = mac = { $mac } non è l'indirizzo di una singola scheda, come 52:54:00:12:34:56
policy-writable = possono scriverlo altri oltre a root e all'utente che esegue sigillo
policy-guests = consente di averne uno solo a questi tipi di guest: { $guests }; questo è { $guest }
policy-nobody = non consente a nessuno di aggiungerne uno (may_add = false in [tpm])
policy-hosts = indica gli host che possono averne uno, e { $here } non è fra questi
policy-profile = richiede il profilo { $wanted }, ed è stato chiesto { $asked }
policy-cipher = richiede che il suo archivio sia sigillato con aes-256, ed è stata chiesta una cifratura più debole
config-libvirt-uri = libvirt_uri richiede hypervisor = "libvirt"
config-parser-says = il parser TOML segnala, in inglese: { $says }
config-key-unknown = la chiave { $key } non esiste; esistono { $known }
config-key-missing = manca la chiave { $key }
config-key-twice = { $key } è presente due volte
config-value-unknown = { $found } non è fra i valori possibili: { $known }
config-wanted = { $found } non è { $wanted }
config-wants-number = un numero intero da 0 a { $most }
config-wants-boolean = un valore true o false
config-wants-text = un testo fra virgolette
config-wants-uuid = un UUID
config-wants-list = un elenco
config-wants-table = una tabella
