# Words that several themes need.

vm-not-running = VM { $name } is not running
unknown-host = an unknown host
commits = { $count ->
        [one] { $count } commit
       *[other] { $count } commits
    }
