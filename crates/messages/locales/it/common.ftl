# Words that several themes need.

vm-not-running = la VM { $name } non è in esecuzione
unknown-host = un host sconosciuto
yes = sì
no = no
here = qui
missing = manca
none-there = nessuno
not-readable = illeggibile
head-name = NOME
head-what = CHE COSA
head-key-id = ID CHIAVE
head-created = CREAZIONE
head-status = STATO
head-record = RECORD
head-backup = BACKUP
progress-known = {"{"}msg{"}"} [{"{"}bar:32{"}"}] {"{"}bytes{"}"} di {"{"}total_bytes{"}"}, {"{"}bytes_per_sec{"}"}, ancora {"{"}eta{"}"}
confirm = { $question } [sì/no]
confirm-answers = sì si s
