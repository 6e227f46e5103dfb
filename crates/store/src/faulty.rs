//! A disk in memory that fails, fills up and loses power when it is told to. For tests and the simulator.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::medium::{Medium, ReplaceError};
use crate::{Key, OpenError, Store};

/// What reaches the disk whole or not at all, in bytes.
pub const SECTOR: usize = 512;

/// One operation that goes wrong. Those after it succeed, as far as the disk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A write is refused with this error number after so many octets of it; all but the last one at the most.
    Write {
        /// As the system numbers it.
        errno: i32,
        /// Octets that are in the cache.
        done: usize,
    },
    /// A sync fails, and what was not on the disk yet is gone from the cache too, as some file systems do it: the next sync
    /// has nothing to write and succeeds.
    Sync {
        /// As the system numbers it.
        errno: i32,
    },
    /// The file is not replaced.
    Replace {
        /// As the system numbers it.
        errno: i32,
        /// The old file is known to be there (`None`), or it is not known, and it is the new one that is.
        lands: Option<bool>,
    },
}

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
    /// What goes wrong at the operation with this number, if it is of that kind; taken when it did.
    pub fault: Option<(usize, Fault)>,
    /// The octet at this offset is read with these bits changed.
    pub flip_on_read: Option<(usize, u8)>,
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

    /// The fault that the operation about to run meets, if it is of the right kind.
    fn take_fault<T>(&mut self, right: impl Fn(Fault) -> Option<T>) -> Option<T> {
        let (at, fault) = self.fault?;
        let found = (at == self.operations + 1).then(|| right(fault)).flatten()?;
        self.fault = None;
        self.operations += 1;
        Some(found)
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
        let disk = self.lock();
        buffer.copy_from_slice(disk.cached.get(start..end).ok_or_else(out_of_bounds)?);
        if let Some((at, bits)) = disk.flip_on_read
            && let Some(byte) = at.checked_sub(start).and_then(|at| buffer.get_mut(at))
        {
            *byte ^= bits;
        }
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.lock();
        let start = usize::try_from(offset).map_err(|_| out_of_bounds())?;
        let end = start.checked_add(bytes.len()).ok_or_else(out_of_bounds)?;
        let fault = disk.take_fault(|fault| match fault {
            Fault::Write { errno, done } => Some((errno, done)),
            Fault::Sync { .. } | Fault::Replace { .. } => None,
        });
        if let Some((errno, done)) = fault {
            let done = done.min(bytes.len().saturating_sub(1));
            if let (Some(to), Some(from)) = (disk.cached.get_mut(start..start + done), bytes.get(..done)) {
                to.copy_from_slice(from);
            }
            return Err(io::Error::from_raw_os_error(errno));
        }
        // A failing write still leaves what it got done in the cache.
        disk.cached.get_mut(start..end).ok_or_else(out_of_bounds)?.copy_from_slice(bytes);
        disk.step()
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.lock();
        let fault = disk.take_fault(|fault| match fault {
            Fault::Sync { errno } => Some(errno),
            Fault::Write { .. } | Fault::Replace { .. } => None,
        });
        if let Some(errno) = fault {
            disk.cached = disk.durable.clone();
            return Err(io::Error::from_raw_os_error(errno));
        }
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
        let fault = disk.take_fault(|fault| match fault {
            Fault::Replace { errno, lands } => Some((errno, lands)),
            Fault::Write { .. } | Fault::Sync { .. } => None,
        });
        if let Some((errno, lands)) = fault {
            if lands == Some(true) {
                disk.durable = contents.to_vec();
                disk.cached = contents.to_vec();
            }
            let error = io::Error::from_raw_os_error(errno);
            return Err(if lands.is_none() {
                ReplaceError::Kept(error)
            } else {
                ReplaceError::Unsure(error)
            });
        }
        disk.step().map_err(ReplaceError::Unsure)?;
        disk.durable = contents.to_vec();
        disk.cached = contents.to_vec();
        Ok(())
    }
}
