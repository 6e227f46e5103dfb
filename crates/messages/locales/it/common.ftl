# Words that several themes need.

vm-not-running = la VM { $name } non è in esecuzione
unknown-host = un host sconosciuto
commits = { $count ->
        [one] { $count } commit
       *[other] { $count } commit
    }
