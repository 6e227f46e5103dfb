# Words that several themes need.

vm-not-running = VM { $name } is not running
unknown-host = an unknown host
yes = yes
no = no
here = here
missing = missing
none-there = none
not-readable = unreadable
head-name = NAME
head-what = WHAT
head-key-id = KEY ID
head-created = CREATED
head-status = STATUS
head-record = RECORD
head-backup = BACKUP
progress-known = {"{"}msg{"}"} [{"{"}bar:32{"}"}] {"{"}bytes{"}"} of {"{"}total_bytes{"}"}, {"{"}bytes_per_sec{"}"}, {"{"}eta{"}"} left
confirm = { $question } [yes/no]
confirm-answers = yes y
