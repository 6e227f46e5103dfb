# Una VM sotto libvirt: crates/vm/src/libvirt.

libvirt-unreachable = la VM { $name } è gestita da libvirt, e { $uri } non risponde: { $why }. { $guest }. Nulla è stato modificato. Avviare il demone di libvirt (`systemctl start libvirtd`), o vedere `virsh -c { $uri } uri`
libvirt-qemu-lives = Il suo guest continua senza il demone, nel processo { $pid }; libvirt lo ritrova appena risponde
libvirt-qemu-none = È spenta: non c'è nessun suo QEMU. Se libvirt non c'è più, con hypervisor = "qemu" in vm.toml la VM ne fa a meno
libvirt-qemu-hidden = Non si sa che cosa faccia la VM, perché da qui non si vedono tutti i processi di questo host; come root, fuori da ogni container, si vedono
libvirt-refused = VM { $name }: libvirt non è riuscito a { $action }: { $why }. { $then }
libvirt-cannot = la VM { $name } non può essere eseguita da libvirt: { $what }. Nulla è stato modificato. { $way_out }, oppure farla eseguire direttamente da QEMU: hypervisor = "qemu" in vm.toml
libvirt-no-tpm = la VM { $name } non è stata avviata: libvirt in { $uri } non offre alcun TPM che sia un processo (le sue domcapabilities indicano: { $found }). libvirt lo offre dove trova i programmi swtpm, swtpm_setup e swtpm_ioctl, anche se non ne esegue nessuno: installare il pacchetto Debian swtpm-tools, oppure far eseguire la VM direttamente da QEMU: hypervisor = "qemu" in vm.toml
libvirt-not-root = la VM { $name } non è stata avviata: in { $uri } QEMU è eseguito come utente { $uid }, e solo root può dare a quell'utente, e a nessun altro, l'accesso ai file della VM e al suo TPM. Nulla è stato modificato. Eseguire sigillo come root, oppure usare libvirt_uri = "qemu:///session" in vm.toml, dove QEMU è eseguito dall'utente stesso
libvirt-foreign = VM { $name }: il dominio { $domain } di libvirt non è di questa VM: { $why }. Non è stato toccato. Se non serve a nessuno, rinominarlo o rimuoverlo (`virsh -c { $uri } undefine { $domain }`) e riprovare
libvirt-path = { $path } non può essere indicato nell'XML di libvirt, che contiene testo senza caratteri di controllo. Nulla è stato modificato; dargli un altro nome
libvirt-answer = VM { $name }: non si comprende che cosa dice libvirt ({ $why }). Nulla è stato modificato; vedere `virsh -c { $uri } { $command }`
libvirt-uri = libvirt_uri = { $uri } non è né qemu:///system né qemu:///session, con o senza ?socket=/PERCORSO; una VM viene eseguita sull'host in cui si trovano il suo bundle e il suo TPM
libvirt-open-console = aprire la console seriale
libvirt-no-terminal = Il guest non è stato avviato; senza --serial la console è in un file, indicato da `sigillo vm info`
no-terminal = questo non è un terminale
libvirt-path-too-long = il percorso del suo bundle è troppo lungo per i socket che contiene, e l'utente di QEMU non può raggiungerli altrove
libvirt-move = Spostarla in un percorso più corto (`sigillo vm move`)
libvirt-start-domain = avviare il suo dominio
libvirt-take-domain = accettare il suo dominio
libvirt-name-taken = Il guest non è stato avviato. Se un altro dominio ha il nome { $name }, rinominare la VM (`sigillo vm rename`) o il dominio (`virsh -c { $uri } domrename`)
libvirt-screen-at = { $kind } in { $place }
libvirt-screen-see = { $kind }; vedere `virsh -c { $uri } domdisplay { $name }`
libvirt-no-way = QEMU è eseguito come utente { $uid }, che non può attraversare { $dir }: consentirlo (chmod o+x), oppure spostare la VM (`sigillo vm move`)
libvirt-not-started = Il guest non è stato avviato, e il suo TPM è com'era
libvirt-confined = { $model } qui confina QEMU e potrebbe impedirgli di raggiungere il socket del TPM: `sigillo doctor { $name }` dice che cosa manca
libvirt-hold = fermare il suo guest
libvirt-let-run = far proseguire il suo guest
libvirt-info-shows = `sigillo vm info { $name }` mostra che cosa sta facendo
libvirts-program = il programma di libvirt
libvirt-no-state = non esiste uno stato { $state }
libvirt-not-ours = non è stato creato da sigillo
libvirt-of-other = è stato creato da { $path }, una VM con lo stesso UUID
libvirt-undefine = rimuovere il suo dominio
libvirt-untouched = La VM non è stata toccata; vedere `virsh -c { $uri } list --all`
libvirt-nvme = ha un disco su NVMe, per il quale i domini di libvirt di questa versione non hanno posto
libvirt-nvme-way = Collegare il disco a virtio o SATA (`bus` in vm.toml)
libvirt-network = la sua rete è limitata o inoltra porte, cosa che la rete utente di libvirt non fa
libvirt-network-way = Togliere `restrict` e `forward` da vm.toml
libvirt-console = la console seriale della VM { $name } è di libvirt; vi si accede con `virsh -c { $uri } console { $name }`. Il guest non ne risente
libvirt-guest-unknown = libvirt non dice che cosa fa il guest; vedere `sigillo vm info`
libvirt-memory-part = libvirt non l'ha scritto, o non fino in fondo
libvirt-used-up = Lo stato salvato è stato consumato, perché il guest potrebbe essere stato eseguito; i suoi dischi e il suo TPM sono come li ha lasciati
step-checking-memory = controllo della memoria
libvirt-too-deep = è più profondo o più lungo della descrizione di un dominio
virsh-silent = non ha risposto entro { $seconds } s
program-signal = { $program } è stato terminato dal segnale { $signal }
do-give-to-qemus-group = dare al gruppo di QEMU
do-give-to-qemus-user = dare all'utente di QEMU
do-describe = descrivere
accel-libvirt = il dominio è stato avviato da libvirt, e nessuno ha detto perché
memory-changed-since = è stato modificato o danneggiato da quando è stato scritto
program-ended = { $program } è terminato con lo stato { $code }
