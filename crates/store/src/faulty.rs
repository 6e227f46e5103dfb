//! A disk in memory that fails, fills up and loses power when it is told to. For tests and the simulator.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::medium::{Medium, ReplaceError};
use crate::{Key, OpenError, Store};

/// What reaches the disk whole or not at all, in bytes.
pub const SECTOR: usize = 512;

/// What a [`FaultyDisk`] holds, and how it will fail.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// What is there after a power cut at the least.
    pub durable: Vec<u8>,
    /// What is read while there is power.
    pub cached: Vec<u8>,
    /// Operations until everything fails; never if `None`.
    pub fails_after: Option<usize>,
    /// Operations so far.
    pub operations: usize,
    /// Syncs so far.
    pub syncs: usize,
    /// There is no room for a longer file.
    pub refuse_replace: bool,
}

/// A disk with a write cache: what is not synced may be lost, sector by sector. A clone is the same disk.
#[derive(Clone, Debug)]
pub struct FaultyDisk(Arc<Mutex<Faults>>);

impl Faults {
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fails_after {
            Some(limit) if self.operations > limit => Err(io::Error::other("injected")),
            _ => Ok(()),
        }
    }

    /// What a power cut leaves: of the sectors not synced, those that `keep` says are there.
    pub fn after_power_cut(&self, keep: &mut impl FnMut() -> bool) -> Vec<u8> {
        let mut image = self.durable.clone();
        for (old, new) in image.chunks_mut(SECTOR).zip(self.cached.chunks(SECTOR)) {
            if *old != *new && keep() {
                old.copy_from_slice(new);
            }
        }
        image
    }
}

impl FaultyDisk {
    /// A disk that holds the file `image` and nothing else.
    #[must_use]
    pub fn new(image: Vec<u8>) -> Self {
        FaultyDisk(Arc::new(Mutex::new(Faults {
            durable: image.clone(),
            cached: image,
            ..Faults::default()
        })))
    }

    /// What it holds, to be read and changed.
    pub fn lock(&self) -> MutexGuard<'_, Faults> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Operations and syncs so far.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let disk = self.lock();
        (disk.operations, disk.syncs)
    }

    /// Opens the store on it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, key: &Key) -> Result<Store, OpenError> {
        Store::open_medium(Box::new(self.clone()), key)
    }
}

fn out_of_bounds() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

impl Medium for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().cached.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| out_of_bounds())?;
        let end = start.checked_add(buffer.len()).ok_or_else(out_of_bounds)?;
        buffer.copy_from_slice(self.lock().cached.get(start..end).ok_or_else(out_of_bounds)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.lock();
        let start = usize::try_from(offset).map_err(|_| out_of_bounds())?;
        let end = start.checked_add(bytes.len()).ok_or_else(out_of_bounds)?;
        // A failing write still leaves what it got done in the cache.
        disk.cached.get_mut(start..end).ok_or_else(out_of_bounds)?.copy_from_slice(bytes);
        disk.step()
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.lock();
        disk.step()?;
        disk.syncs += 1;
        disk.durable = disk.cached.clone();
        Ok(())
    }

    fn replace(&mut self, contents: &[u8]) -> Result<(), ReplaceError> {
        let mut disk = self.lock();
        if disk.refuse_replace {
            return Err(ReplaceError::Kept(io::ErrorKind::StorageFull.into()));
        }
        disk.step().map_err(ReplaceError::Unsure)?;
        disk.durable = contents.to_vec();
        disk.cached = contents.to_vec();
        Ok(())
    }
}
