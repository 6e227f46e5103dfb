//! Waiting for a lock that other processes hold for moments only.

use std::io;
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sigillo_store::files;

const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Takes the exclusive lock of an open file or directory; `false` if another still has it after ten seconds.
pub(crate) fn wait_for_lock(file: impl AsFd) -> io::Result<bool> {
    let began = Instant::now();
    while !files::try_lock(&file)? {
        if began.elapsed() > PATIENCE {
            return Ok(false);
        }
        sleep(PAUSE);
    }
    Ok(true)
}
