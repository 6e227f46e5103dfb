//! One machine, many threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::Log;
use crate::machine::Machine;

/// Why the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A client said so.
    Shutdown,
    /// The client left, and the process was to end then.
    Terminate,
    /// A signal.
    Signal,
    /// A socket is broken, or this program is.
    Broken,
}

/// What the threads of one TPM process share.
#[derive(Debug)]
pub(crate) struct Shared {
    machine: Mutex<Machine>,
    cancel: Arc<AtomicBool>,
    /// As the machine last said, readable while it is busy.
    running: AtomicBool,
    /// There is a data channel.
    data_taken: AtomicBool,
    exit: Sender<Exit>,
    /// Which keys there are: bit 0 the state's, bit 1 for migration.
    pub(crate) config: u32,
    /// TPM facts.
    pub(crate) attributes: crate::info::Attributes,
    pub(crate) log: Log,
    pub(crate) options: Behaviour,
}

/// How the channels behave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behaviour {
    /// The process ends when the control client leaves.
    pub terminate_with_control: bool,
    /// The process ends when a data client that connected to us leaves.
    pub terminate_with_data: bool,
    /// A data connection is closed after each response.
    pub disconnect: bool,
    /// The vendor command that sets the locality from the data channel is obeyed.
    pub allow_set_locality: bool,
}

impl Shared {
    /// `cancel` is the flag the machine's host reads; `exit` is told once when the process should end.
    pub(crate) fn new(
        machine: Machine,
        cancel: Arc<AtomicBool>,
        exit: Sender<Exit>,
        attributes: crate::info::Attributes,
        log: Log,
        options: Behaviour,
    ) -> Arc<Shared> {
        let keys = machine.keys();
        let config = u32::from(keys.state.is_some()) | (u32::from(keys.migration.is_some()) << 1);
        let running = AtomicBool::new(machine.is_running());
        Arc::new(Shared {
            machine: Mutex::new(machine),
            cancel,
            running,
            data_taken: AtomicBool::new(false),
            exit,
            config,
            attributes,
            log,
            options,
        })
    }

    /// The machine, once it is idle.
    pub(crate) fn machine(&self) -> Guard<'_> {
        // A thread that panicked is a bug of ours; what it left is as consistent as the last command.
        Guard { shared: self, machine: self.machine.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Whether the TPM runs, without waiting for it.
    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Raises or lowers the flag a running command looks at.
    pub(crate) fn set_cancel(&self, cancel: bool) {
        self.cancel.store(cancel, Ordering::Release);
    }

    /// Ends the process. Only the first reason counts.
    pub(crate) fn exit(&self, reason: Exit) {
        // Nobody listens any more: then the process is ending.
        let _ = self.exit.send(reason);
    }

    /// Takes the one data channel; `None` if it is taken. It is free again when the answer is dropped.
    pub(crate) fn take_data(self: &Arc<Self>) -> Option<DataSlot> {
        let free = self.data_taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire);
        free.is_ok().then(|| DataSlot(Arc::clone(self)))
    }
}

/// The machine, held. What others may see without holding it is brought up to date when it is let go.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    shared: &'a Shared,
    machine: MutexGuard<'a, Machine>,
}

impl std::ops::Deref for Guard<'_> {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl std::ops::DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.shared.running.store(self.machine.is_running(), Ordering::Release);
    }
}

/// The right to be the data channel.
#[derive(Debug)]
pub(crate) struct DataSlot(Arc<Shared>);

impl Drop for DataSlot {
    fn drop(&mut self) {
        self.0.data_taken.store(false, Ordering::Release);
    }
}
